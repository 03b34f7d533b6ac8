"""What the documents of the CAS API say besides its life cycles: version, parameters, limits, codes of the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .orders import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "2020-04-07"
"""The API version."""

PURCHASES = {"CreateInstance": "2017-12-14"}
"""The actions of the billing API by which instances are bought, and its version, in which nothing else is called."""


@attrs.frozen
class Parameters:
    """The parameters of an operation by name: `required`, `any_of` (at least one of these) and `optional`."""

    required: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_CONTACT = ("Email", "Phone", "Username")
_PAGE = ("CurrentPage", "ShowSize")
_ON_AN_INSTANCE = Parameters(("InstanceId",))
PARAMETERS: Mapping[str, Parameters] = {
    # Orders
    Operation.CREATE: Parameters(("Domain", *_CONTACT, "ValidateType"), (), ("ProductCode", "Tags")),
    Operation.CREATE_FOR_PACKAGE: Parameters(
        (), ("Domain", "Csr"), (*_CONTACT, "ValidateType", "CompanyName", "ProductCode", "Tags")
    ),
    Operation.CREATE_WITH_CSR: Parameters(("Csr", *_CONTACT, "ValidateType"), (), ("ProductCode", "Tags")),
    Operation.DESCRIBE: Parameters(("OrderId",)),
    Operation.LIST: Parameters((), (), (*_PAGE, "Keyword", "OrderType", "Status", "ResourceGroupId")),
    Operation.CANCEL: Parameters(("OrderId",)),
    Operation.DELETE: Parameters(("OrderId",)),
    Operation.CANCEL_FOR_PACKAGE: Parameters(("OrderId",)),
    Operation.RENEW: Parameters(("OrderId",), (), ("Csr", "Tags")),
    Operation.DESCRIBE_PACKAGE: Parameters((), (), ("ProductCode",)),
    # Instances, by the actions: their table is compiled when somebody asks for it, and not for this
    "CreateInstance": Parameters(
        ("ProductCode", "SubscriptionType"),
        (),
        (
            "ClientToken",
            "Logistics",
            "OwnerId",
            "Parameter",
            "Period",
            "PricingCycle",
            "ProductType",
            "RenewPeriod",
            "RenewalStatus",
        ),
    ),
    "UpdateInstance": Parameters(
        ("InstanceId",),
        (),
        (
            "AutoReissue",
            "CertificateName",
            "City",
            "CompanyId",
            "ContactIdList",
            "CountryCode",
            "Csr",
            "Domain",
            "GenerateCsrMethod",
            "KeyAlgorithm",
            "Province",
            "ResourceGroupId",
            "Tags",
            "ValidationMethod",
        ),
    ),
    "ApplyCertificate": _ON_AN_INSTANCE,
    "CancelPendingCertificate": _ON_AN_INSTANCE,
    "RevokeCertificate": Parameters(("InstanceId",), (), ("CertificateId",)),
    "RefundInstance": _ON_AN_INSTANCE,
    "DeleteInstance": Parameters(("InstanceId",), (), ("ClientToken",)),
    "GetInstanceDetail": _ON_AN_INSTANCE,
    "GetTaskAttribute": Parameters(("TaskId",), (), ("TaskType",)),
    "ListInstances": Parameters(
        (),
        (),
        (
            *_PAGE,
            "AutoReissueFlag",
            "Brand",
            "CertificateStatus",
            "CertificateType",
            "InstanceType",
            "Keyword",
            "ResourceGroupId",
            "ServerDeployFlag",
            "Status",
            "VersionType",
        ),
    ),
    "GetInstanceSummary": Parameters((), (), ("InstanceType",)),
    "ListCertificates": Parameters(
        (), (), (*_PAGE, "CertificateSource", "CertificateStatus", "InstanceId", "Keyword", "ResourceGroupId")
    ),
    "GetCertificatePackageCount": Parameters(),
    # Certificates, which are of no table
    "GetCertificateDetail": Parameters(("CertificateId",)),
    "GetUserCertificateDetail": Parameters(("CertId",), (), ("CertFilter",)),
    "DeleteUserCertificate": Parameters(("CertId",), (), ("ClientToken",)),
    "UploadUserCertificate": Parameters(
        ("Name",),
        ("Cert", "SignCert"),
        ("ClientToken", "EncryptCert", "EncryptPrivateKey", "Key", "ResourceGroupId", "SignPrivateKey", "Tags"),
    ),
}
"""The parameters of each action: those of the models of alibabacloud_cas20200407 3.9.4 and bssopenapi20171214 5.1.2.

A list is here under its own name; it arrives as `Tags.1.Key`, `Tags.2.Key` and so on.
"""


RATE_LIMITS: Mapping[str, int] = dict.fromkeys(PARAMETERS, 10) | {
    Operation.CANCEL: 100,
    "GetUserCertificateDetail": 100,
    "DeleteUserCertificate": 100,
    "UploadUserCertificate": 100,
}
"""Calls a second: the documented limits; where none is documented, that of the other operations."""


def error_body(code: str, message: str, request_id: str, host: str, product: str = "cas") -> dict[str, str]:
    """The JSON body of a failure, from which the official SDKs make their exceptions."""
    recommend = f"https://api.aliyun.com/troubleshoot?q={code}&product={product}&requestId={request_id}"
    return {"RequestId": request_id, "HostId": host, "Code": code, "Message": message, "Recommend": recommend}
