"""Two automations as people write them run against the mock unchanged; broken, they fail as at the service itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407.client", reason="the extra `client` is not installed")
pytest.importorskip("alibabacloud_alidns20150109.client", reason="the SDK of AliDNS is not installed")

from alibabacloud_cas20200407 import models
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from orders import obeyed
from Tea.exceptions import TeaException

from orderfsm import State
from orderfsm.mock import Choices, mock_cas

if not hasattr(models, "UpdateInstanceRequest"):
    pytest.skip("the SDK is older than instances", allow_module_level=True)

EXAMPLES = Path(__file__).parent.parent / "examples"
V1, V2 = "automation_v1.py", "automation_v2.py"
DOMAIN, ZONE = "www.example.com", "example.com"
AT_ONCE = ("submission_accepted", "withdrawal_completed", "revocation_completed", "refund_completed")
KEYS = {"id": "secret"}


@contextmanager
def serving(review="reads=1", **settings):
    """A mock whose owners validate by DNS, and whose account has the zone and no other."""
    takes = dict.fromkeys(AT_ONCE, 0) | settings.pop("takes", {})
    options = {"takes": takes, "choices": Choices(shown_after=0), "domains": [ZONE], **settings}
    with mock_cas(validate="dns", review=review, keys=KEYS, **options) as server:
        yield server
        obeyed(server.service)


def environment(api):
    """What leads a program to a mock, as it would lead it to the service."""
    [(key_id, secret)] = KEYS.items()
    return {
        "CAS_ENDPOINT": api,
        "ALIDNS_ENDPOINT": api,
        "ALIBABA_CLOUD_ACCESS_KEY_ID": key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret,
        "NO_PROXY": "127.0.0.1",
    }


def arguments(out, *more, zone=ZONE, patience="20"):
    return [DOMAIN, "--zone", zone, "--out", str(out), "--poll", "0.02", "--patience", patience, *map(str, more)]


def run(name, api, out, *more):
    """What a program prints that runs as it stands."""
    given = [sys.executable, EXAMPLES / name, *arguments(out, *more)]
    known = os.environ | environment(api)
    done = subprocess.run(given, env=known, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def has_its_files(out):
    """The certificate that was written, with the key beside it, which nobody else may read."""
    leaf, root = x509.load_pem_x509_certificates((out / "fullchain.pem").read_bytes())
    leaf.verify_directly_issued_by(root)
    key = serialization.load_pem_private_key((out / "privkey.pem").read_bytes(), None)
    assert key.public_key() == leaf.public_key()
    assert (out / "privkey.pem").stat().st_mode & 0o77 == 0
    return leaf


def broken(name, *changes):
    """The program with each of `changes`, a text and what stands in its place."""
    text = (EXAMPLES / name).read_text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    module = ModuleType(name.removesuffix(".py"))
    exec(compile(text, name, "exec"), module.__dict__)
    return module


@pytest.fixture
def played(tmp_path, monkeypatch):
    """Plays a program against a server in this process; the code with which it was refused, or what it died of."""

    def play(server, program, *more, **given):
        for name, value in environment(server.api).items():
            monkeypatch.setenv(name, value)
        try:
            program.main(arguments(tmp_path, *more, **given))
        except TeaException as error:
            return error.code
        except (SystemExit, TypeError) as error:
            return str(error)
        return None

    return play


def test_the_programs_know_nothing_of_orderfsm():
    for name in (V1, V2):
        assert "orderfsm" not in (EXAMPLES / name).read_text()
        assert "mock" not in (EXAMPLES / name).read_text()


# -- as they stand -----------------------------------------------------------------------------------------------------


def test_an_order_is_applied_for_validated_downloaded_and_ended(tmp_path, played):
    with serving() as server:
        assert run(V1, server.api, tmp_path).startswith(f"{DOMAIN}: certificate 7000001, valid until")
        first = has_its_files(tmp_path)
        assert server.service.dns_records(ZONE) == []
        [order] = server.orders()
        assert order.state is State.ISSUED
        assert played(server, broken(V1)) is None  # nothing is left to do
        assert (has_its_files(tmp_path), server.orders()) == (first, [server.service.order(order.id)])
        assert run(V1, server.api, tmp_path, "--retire", order.id) == f"{DOMAIN}: certificate 7000001 is deleted\n"
        assert [order.state for order in server.orders()] == [State.REVOKED]
        assert server.packages()[0].used == 0


def test_an_instance_is_applied_for_validated_downloaded_and_ended(tmp_path, played):
    with serving() as server:
        server.order()  # an order of V1.0 stands in the same list
        server.service.begin_instance("unused")
        assert run(V2, server.api, tmp_path).startswith(f"{DOMAIN}: certificate ")
        first = has_its_files(tmp_path)
        assert server.service.dns_records(ZONE) == []
        assert played(server, broken(V2)) is None
        assert has_its_files(tmp_path) == first
        assert played(server, broken(V2), "--retire") is None
        assert server.instances() == []


def test_the_same_program_runs_against_two_workers_on_one_database(tmp_path):
    pytest.importorskip("click", reason="the extra `cli` is not installed")
    command = [sys.executable, "-m", "orderfsm.cli", "serve", "--database", f"sqlite:///{tmp_path}/orders.db"]
    command += ["--workers", "2", "--validate", "dns", "--domain", ZONE, "--review", "reads=1"]
    [(key_id, secret)] = KEYS.items()
    known = os.environ | {"ORDERFSM_ACCESS_KEYS": f"{key_id}:{secret}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=known) as process:
        try:
            ports = json.loads(process.stdout.readline())
            assert "valid until" in run(V1, ports["api"], tmp_path)
        finally:
            process.terminate()
    has_its_files(tmp_path)


# -- broken ------------------------------------------------------------------------------------------------------------


CANCELS = ('if kind in {"domain_verify", "process"}:', "if not kind:")
UPDATES = ("if record.value != value:", "if not record.value:")


def test_unbroken_it_is_refused_nothing(played):
    with serving() as server:
        server.service.begin_instance("unused")
        assert played(server, broken(V1)) is played(server, broken(V2)) is None


def test_who_deletes_before_cancelling_is_refused_and_the_unit_stays_held(played):
    with serving("manual") as server:
        assert played(server, broken(V1, CANCELS), patience="0.1") == "OrderStateError"
        assert server.packages()[0].used == 1
        server.reset()
        assert "came no further than process" in played(server, broken(V1), patience="0.1")
        assert server.packages()[0].used == 0


def test_who_waits_for_a_word_that_no_order_has_never_sees_the_certificate(played):
    program = broken(V1, ('lambda state: state.type == "certificate"', 'lambda state: state.type == "issued"'))
    with serving() as server:
        assert played(server, program, patience="0.3") == "OrderStateError"
        assert [order.state for order in server.orders()] == [State.ISSUED]


@pytest.mark.parametrize("zone", ["www.example.com", "example.net", "com"])
@pytest.mark.parametrize("name", [V1, V2])
def test_who_takes_another_name_for_the_zone_finds_no_such_domain(played, zone, name):
    with serving() as server:
        server.service.begin_instance("unused")
        code = "InvalidDomainName.Format" if zone == "com" else "InvalidDomainName.NoExist"
        assert played(server, broken(name), zone=zone) == code
        assert server.service.dns_records(ZONE) == []


@pytest.mark.parametrize(
    "change",
    [
        ('host = name.removesuffix(f".{self.zone}")', "host = name"),
        ('host = name.removesuffix(f".{self.zone}")', 'host = name.partition(".")[0]'),
        ("host = name.removesuffix", "value = f'\"{value}\"'\n        host = name.removesuffix"),
    ],
    ids=["the whole name as host", "the host without the subdomain", "the value in quotes"],
)
@pytest.mark.parametrize("name", [V1, V2])
def test_who_publishes_another_record_is_never_validated(played, change, name):
    with serving("at-once") as server:
        instance = server.service.begin_instance("unused").id
        said = played(server, broken(name, change), patience="0.2")
        assert "came no further than domain_verify" in said or "the issuance took too long; it is pending" in said
        assert server.packages()[0].used == 0
        assert server.service.instances.order(instance).state in {"unused", "idle"}


@pytest.mark.parametrize("name", [V1, V2])
def test_who_leaves_the_record_in_place_and_applies_again_is_not_validated_by_it(played, name):
    left = {
        V1: ("self.dns.delete_domain_record(dns_models", "print(dns_models"),
        V2: ("self.dns.delete_domain_record(dns_models", "print(dns_models"),
    }
    program = broken(name, left[name], UPDATES)
    with serving("at-once") as server:
        server.service.begin_instance("unused")
        assert played(server, program) is None
        [record] = server.service.dns_records(ZONE)
        program.RENEW_WITHIN = type(program.RENEW_WITHIN)(9**9) if name == V2 else program.RENEW_WITHIN * 99
        said = played(server, program, patience="0.2")
        assert "came no further than domain_verify" in said or "the issuance took too long" in said
        assert server.service.dns_records(ZONE) == [record]


def test_who_does_not_look_at_the_package_is_refused_by_it(played):
    program = broken(V1, ("if package.used_count >= package.total_count:", "if not package.total_count:"))
    with serving() as server:
        server.put_package("digicert-free-1-free", 1)
        server.order(domain="other.example.com")
        assert played(server, program) == "NotRemainCount"
        assert "is used up: 1 of 1" in played(server, broken(V1))


def test_who_downloads_before_the_certificate_is_issued_has_no_id_of_one(played):
    program = broken(V1, ('issued = self.until(order_id, lambda state: state.type == "certificate")', "issued = asked"))
    with serving("manual") as server:
        assert "NoneType" in played(server, program)
        assert server.orders("domain_verify") == []


def test_who_takes_one_id_for_the_other_finds_nothing(played):
    with serving() as server:
        assert played(server, broken(V1, ("int(issued.cert_id), out", "order_id, out"))) == "NotFound"
        [order] = server.orders()
        listed = broken(V1).Automation(DOMAIN, ZONE, 0, 0).current().certificate_id
        assert played(server, broken(V1), "--retire", listed) == "NotFoundOrder"
        assert server.orders() == [order]


def test_who_deletes_a_certificate_that_is_neither_revoked_nor_expired_is_refused(played):
    with serving() as server:
        assert played(server, broken(V1)) is None
        [order] = server.orders()
        program = broken(V1, ("self.cas.cancel_certificate_for_package_request(request)", "print(request)"))
        assert played(server, program, "--retire", order.id) == "InvalidStatus.DeleteProtection"


def test_who_withdraws_an_instance_only_once_may_be_too_early(played):
    gives_up = ('if error.code != "OperationDenied.StatusNotSupport" or', "if error.code or")
    with serving("manual", takes={"submission_accepted": 4}) as server:
        for program, said in (
            (broken(V2, gives_up), "OperationDenied.StatusNotSupport"),
            (broken(V2), "took too long"),
        ):
            server.reset()
            server.service.begin_instance("unused")
            program.time = impatient = ModuleType("time")
            impatient.__dict__.update(monotonic=iter(range(999)).__next__, sleep=lambda _: server.advance(0.3))
            impatient.time = server.clock.now
            assert said in played(server, program, patience="9")


def test_who_takes_the_first_certificate_for_the_new_one_has_the_old_one(played, tmp_path):
    with serving("reads=1") as server:
        server.service.begin_instance("unused")
        for program, is_new in (
            (broken(V2), True),
            (broken(V2, (" and detail.certificate_id != last", "")), False),
            (broken(V2), True),
        ):
            before = has_its_files(tmp_path) if (tmp_path / "fullchain.pem").exists() else None
            program.RENEW_WITHIN = 9**9
            assert played(server, program) is None
            assert (has_its_files(tmp_path) != before) is is_new
            server.advance(1)


def test_who_looks_for_the_word_of_the_certificate_in_that_of_the_instance_waits_in_vain(played):
    program = broken(
        V2, ('lambda detail: detail.certificate_status == "issued" and', 'lambda detail: detail.status == "issued" and')
    )
    with serving("at-once") as server:
        instance = server.service.begin_instance("unused").id
        assert played(server, program, patience="0.2") == "OperationDenied.StatusNotSupport"
        assert server.service.instances.order(instance).state == "issued"


def test_who_takes_an_order_for_an_instance_finds_nothing(played):
    program = broken(V2, (' if each.instance_id.startswith("cas-cn-")', ""))
    with serving() as server:
        server.order(domain=DOMAIN)
        assert played(server, program) == "NotFound"
        assert played(server, broken(V2)) == "no instance is left that is not used"


def test_who_does_not_wait_for_the_revocation_is_refused_what_follows(played):
    line = '        self.until(instance, lambda detail: detail.certificate_status == "revoked", "the revocation")\n'
    waits, deletes = (line, ""), ("self.cas.delete_user_certificate(", "print(")
    with serving(takes={"revocation_completed": 60}) as server:
        for code, changes in {
            "InvalidStatus.DeleteProtection": [waits],
            "CouldNotRefund.NotSupport": [waits, deletes],
        }.items():
            server.reset()
            server.service.begin_instance("unused")
            assert played(server, broken(V2)) is None
            assert played(server, broken(V2, *changes), "--retire") == code
