"""A mock as people write them in an afternoon: no control port, and careless about codes and shapes.

What it does to orders is right, but for the bugs that are planted.
"""

from __future__ import annotations

import uuid
from itertools import count

from flask import Flask, jsonify, request

from orderfsm.tables.api import PARAMETERS, VERSION

PRODUCT = "digicert-free-1-free"
WORDS = {
    "review": ("domain_verify", "CHECKING"),
    "withdrawn": ("payed", "PAYED"),
    "gone": (None, None),
}


class Bugs:
    """What can be wrong with it; each method is right here."""

    def deletable(self, state):
        """Whether an order may be deleted."""
        return state == "withdrawn"

    def given_back(self, by, units):
        """How many units come back when an order ends by an action."""
        return 1


class DeletesInReview(Bugs):
    """A delete is accepted in pending_review."""

    def deletable(self, state):
        return state in {"withdrawn", "review"}


class Leaks(Bugs):
    """A delete never gives the unit back."""

    def given_back(self, by, units):
        return 0 if by == "DeleteCertificateRequest" else 1


class LeaksByCancelForPackage(Bugs):
    """A cancel for package never gives the unit back."""

    def given_back(self, by, units):
        return 0 if by == "CancelCertificateForPackageRequest" else 1


class GivesTwice(Bugs):
    """An order that ends gives two units back."""

    def given_back(self, by, units):
        return min(2, units)


class DeletesInReviewAndLeaks(DeletesInReview, Leaks):
    """Both."""


class Mock:
    """A package of so many units, and its orders; `polite` minds codes and shapes."""

    def __init__(self, bugs, units, *, polite):
        self.bugs, self.polite = bugs, polite
        self.orders, self.ids = {}, count(1000)
        self.total, self.used = units, 0

    def create(self, given):
        if self.used >= self.total:
            return refused("NotRemainCount", 404)
        self.used += 1
        domain = given.get("Domain", "csr.example.com" if self.polite else "")
        number = next(self.ids)
        self.orders[number] = {"state": "review", "domain": domain}
        return said(OrderId=number)

    def step(self, action, order):
        state = order["state"]
        if action == "DescribeCertificateState":
            return said(Type=WORDS[state][0])
        if action == "CancelOrderRequest" and state == "review":
            order["state"] = "withdrawn"
        elif (action == "DeleteCertificateRequest" and self.bugs.deletable(state)) or (
            action == "CancelCertificateForPackageRequest" and state == "withdrawn"
        ):
            order["state"] = "gone"
            self.used -= self.bugs.given_back(action, self.used)
        else:
            return refused("OrderStateError", 403)
        return said()

    def listed(self, given):
        size, page = int(given.get("ShowSize", 50)), int(given.get("CurrentPage", 1))
        status, keyword = given.get("Status"), given.get("Keyword", "") if self.polite else ""
        found = [
            {"OrderId": number, "Domain": order["domain"], "Status": WORDS[order["state"]][1]}
            for number, order in self.orders.items()
            if order["state"] != "gone" and status in {None, WORDS[order["state"]][1]} and keyword in order["domain"]
        ]
        shown = found[(page - 1) * size :][:size]
        return said(CertificateOrderList=shown, CurrentPage=page, ShowSize=size, TotalCount=len(found))

    def package(self, given):
        return said(ProductCode=given["ProductCode"], TotalCount=self.total, UsedCount=self.used, IssuedCount=0)

    def on_an_order(self, action, number):
        if self.polite and not (number.isascii() and number.isdigit() and 0 < int(number) < 2**63):
            return refused("InvalidOrderId" if number else "MissingOrderId", 400)
        order = self.orders.get(int(number)) if number.isdigit() else None
        if order is None or order["state"] == "gone":
            return refused("NotFoundOrder", 404)
        return self.step(action, order)

    def answer(self, action, given):
        if action == "RenewCertificateOrderForPackageRequest" and not self.polite:
            return refused("InvalidAction.NotFound", 404)
        if action.startswith("Create"):
            return self.create(given)
        reads = {"ListUserCertificateOrder": self.listed, "DescribePackageState": self.package}
        return reads[action](given) if action in reads else self.on_an_order(action, given.get("OrderId", ""))


def said(**fields):
    return jsonify(RequestId=str(uuid.uuid4()).upper(), **fields)


def refused(code, status):
    return said(Code=code, Message=code, HostId="sloppy", Recommend=""), status


def unasked(action, version, given):
    """The refusal of what never reaches an order."""
    if version != VERSION:
        return refused("InvalidVersion", 400)
    if action not in PARAMETERS:
        return refused("InvalidAction.NotFound", 404)
    taken = PARAMETERS[action]
    missing = [name for name in taken.required if not given.get(name)]
    if taken.any_of and not any(map(given.get, taken.any_of)):
        missing += taken.any_of[:1]
    if missing:
        return refused(f"Missing{missing[0]}", 400)
    return None if given.get("ProductCode", PRODUCT) == PRODUCT else refused("NotFoundPackage", 404)


def sloppy(bugs, units=20, *, polite=False):
    """The mock as a Flask application."""
    app, mock = Flask("sloppy"), Mock(bugs, units, polite=polite)

    @app.route("/", methods=["GET", "POST"])
    def api():
        action, version = request.headers["x-acs-action"], request.headers["x-acs-version"]
        return (polite and unasked(action, version, request.values)) or mock.answer(action, request.values)

    return app
