"""What the documents of Alibaba Cloud DNS (API 2015-01-09) say of the operations by which domains and records are kept.

A certificate's applicant publishes there what the CA looks for. No life cycle is in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .api import Parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "2015-01-09"
"""The API version."""

TYPES = ("A", "NS", "MX", "TXT", "CNAME", "SRV", "AAAA", "CAA", "REDIRECT_URL", "FORWARD_URL")
"""The types that a record may have."""

DEFAULT_LINE = "default"
DEFAULT_TTL, LEAST_TTL, MOST_TTL = 600, 600, 86_400
"""Seconds: of a record that does not say, and what the edition that costs nothing takes."""

LEAST_PRIORITY, MOST_PRIORITY = 1, 50
"""Of MX records."""

_LANG = ("Lang",)
_CLIENT = (*_LANG, "UserClientIp")
_PAGE = ("PageNumber", "PageSize")
_WRITTEN = ("RR", "Type", "Value")
_CHOSEN = (*_CLIENT, "Line", "Priority", "TTL")

PARAMETERS: Mapping[str, Parameters] = {
    # Records
    "DescribeDomainRecords": Parameters(
        ("DomainName",),
        (),
        (
            *_LANG,
            *_PAGE,
            "Direction",
            "GroupId",
            "KeyWord",
            "Line",
            "OrderBy",
            "RRKeyWord",
            "SearchMode",
            "Status",
            "Type",
            "TypeKeyWord",
            "ValueKeyWord",
        ),
    ),
    "DescribeSubDomainRecords": Parameters(("SubDomain",), (), (*_CLIENT, *_PAGE, "DomainName", "Line", "Type")),
    "DescribeDomainRecordInfo": Parameters(("RecordId",), (), _CLIENT),
    "AddDomainRecord": Parameters(("DomainName", *_WRITTEN), (), _CHOSEN),
    "UpdateDomainRecord": Parameters(("RecordId", *_WRITTEN), (), _CHOSEN),
    "SetDomainRecordStatus": Parameters(("RecordId", "Status"), (), _CLIENT),
    "DeleteDomainRecord": Parameters(("RecordId",), (), _CLIENT),
    "DeleteSubDomainRecords": Parameters(("DomainName", "RR"), (), (*_CLIENT, "Type")),
    # Domains
    "DescribeDomains": Parameters(
        (), (), (*_LANG, *_PAGE, "GroupId", "KeyWord", "ResourceGroupId", "SearchMode", "Starmark")
    ),
    "AddDomain": Parameters(("DomainName",), (), (*_LANG, "GroupId", "ResourceGroupId")),
    "DeleteDomain": Parameters(("DomainName",), (), _LANG),
}
"""The parameters of each action that the mock answers: those of the models of alibabacloud_alidns20150109 4.6.1."""
