"""A report's counterexamples as a HAR file: every request and its answer, as they went over the wire."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import orderfsm
from orderfsm.extras import needs

with needs("testing"):
    import harfile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .drivers.exchanges import Exchange
    from .report import Report

HTTP = "HTTP/1.1"


def har(report: Report) -> str:
    """The counterexamples of a report as an HTTP archive (HAR 1.2): the text of a file.

    It has what the driver noted of its requests, in the order in which they began; the comment of an entry says to
    which violation and call it belongs. Secrets are left out: credentials, signatures, private keys. Where no answer
    came, the status is 0.
    """
    text = io.StringIO()
    creator = harfile.Creator(name="orderfsm", version=orderfsm.__version__)
    with harfile.HarFile(text, creator=creator, comment=f"{report.lifecycle.name}: {report.verdict}") as archive:
        for number, violation in enumerate(report.violations, 1):
            for exchange in violation.exchanges:
                _add(archive, exchange.shown(), f"violation {number}, {violation.headline}: {exchange.comment}")
    return text.getvalue()


def _add(archive: harfile.HarFile, exchange: Exchange, comment: str) -> None:
    milliseconds = round(exchange.seconds * 1000, 3)
    archive.add_entry(
        startedDateTime=exchange.started,
        time=milliseconds,
        request=_request(exchange),
        response=_response(exchange),
        timings=harfile.Timings(send=0, wait=milliseconds, receive=0),
        comment=f"{comment}{f' ({exchange.error})' if exchange.error else ''}",
    )


def _request(exchange: Exchange) -> harfile.Request:
    mime = _header(exchange.headers, "content-type")
    text = exchange.body.decode(errors="replace")
    query = parse_qsl(urlsplit(exchange.url).query, keep_blank_values=True)
    return harfile.Request(
        method=exchange.method,
        url=exchange.url,
        httpVersion=HTTP,
        headers=_records(exchange.headers),
        queryString=[harfile.Record(name, value) for name, value in query],
        postData=harfile.PostData(mimeType=mime, text=text) if exchange.body else None,
        bodySize=len(exchange.body),
    )


def _response(exchange: Exchange) -> harfile.Response:
    mime = _header(exchange.answer_headers, "content-type") or "x-unknown"
    try:
        content = harfile.Content(size=len(exchange.answer), mimeType=mime, text=exchange.answer.decode())
    except UnicodeDecodeError:
        text = base64.b64encode(exchange.answer).decode()
        content = harfile.Content(size=len(exchange.answer), mimeType=mime, text=text, encoding="base64")
    return harfile.Response(
        status=exchange.status,
        statusText=exchange.reason,
        httpVersion=HTTP,
        headers=_records(exchange.answer_headers),
        content=content,
        redirectURL=_header(exchange.answer_headers, "location"),
        bodySize=len(exchange.answer),
    )


def _records(headers: Mapping[str, str]) -> list[harfile.Record]:
    return [harfile.Record(name, value) for name, value in headers.items()]


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for each, value in headers.items() if each.lower() == name), "")
