"""What the documents of the CAS API say besides its life cycles: version, parameters, limits, codes of the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .orders import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "2020-04-07"
"""The API version."""


@attrs.frozen
class Parameters:
    """The parameters of an operation by name: `required`, `any_of` (at least one of these) and `optional`."""

    required: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_CONTACT = ("Email", "Phone", "Username")
PARAMETERS: Mapping[Operation, Parameters] = {
    Operation.CREATE: Parameters(("Domain", *_CONTACT, "ValidateType"), (), ("ProductCode", "Tags")),
    Operation.CREATE_FOR_PACKAGE: Parameters(
        (), ("Domain", "Csr"), (*_CONTACT, "ValidateType", "CompanyName", "ProductCode", "Tags")
    ),
    Operation.CREATE_WITH_CSR: Parameters(("Csr", *_CONTACT, "ValidateType"), (), ("ProductCode", "Tags")),
    Operation.DESCRIBE: Parameters(("OrderId",)),
    Operation.LIST: Parameters(
        (), (), ("CurrentPage", "ShowSize", "Keyword", "OrderType", "Status", "ResourceGroupId")
    ),
    Operation.CANCEL: Parameters(("OrderId",)),
    Operation.DELETE: Parameters(("OrderId",)),
    Operation.CANCEL_FOR_PACKAGE: Parameters(("OrderId",)),
    Operation.RENEW: Parameters(("OrderId",), (), ("Csr", "Tags")),
    Operation.DESCRIBE_PACKAGE: Parameters((), (), ("ProductCode",)),
}
"""The parameters of each operation: those of the SDK's models (alibabacloud_cas20200407 3.9.4)."""


RATE_LIMITS: Mapping[Operation, int] = dict.fromkeys(Operation, 10) | {Operation.CANCEL: 100}
"""Calls a second: the documented limits; where none is documented, that of the other operations."""


def error_body(code: str, message: str, request_id: str, host: str) -> dict[str, str]:
    """The JSON body of a failure, from which the official SDKs make their exceptions."""
    recommend = f"https://api.aliyun.com/troubleshoot?q={code}&product=cas&requestId={request_id}"
    return {"RequestId": request_id, "HostId": host, "Code": code, "Message": message, "Recommend": recommend}
