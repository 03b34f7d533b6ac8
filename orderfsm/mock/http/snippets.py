"""The shortest programs that call a mock: by the official SDKs for Python and for Node, and by curl."""

from __future__ import annotations

from string import Template
from urllib.parse import urlsplit

_CURL = "curl"
_PROGRAMS = {
    "Python": """\
from alibabacloud_cas20200407 import client, models
from alibabacloud_tea_openapi.models import Config

cas = client.Client(Config(access_key_id="$id", access_key_secret="$secret", endpoint="$host", protocol="$scheme"))
request = models.CreateCertificateForPackageRequestRequest(domain="example.com")
print(cas.create_certificate_for_package_request(request).body.order_id)""",
    "Node": """\
const { default: Client, CreateCertificateForPackageRequestRequest } = require("@alicloud/cas20200407");
const { Config } = require("@alicloud/openapi-core").$$OpenApiUtil;

const key = { accessKeyId: "$id", accessKeySecret: "$secret" };
const cas = new Client(new Config({ ...key, endpoint: "$host", protocol: "$scheme" }));
const request = new CreateCertificateForPackageRequestRequest({ domain: "example.com" });
cas.createCertificateForPackageRequest(request).then(({ body }) => console.log(body.orderId));""",
    _CURL: """\
curl $scheme://$host -d Version=2020-04-07 -d Action=CreateCertificateForPackageRequest -d Domain=example.com""",
}


def snippets(api_url: str, *, signed: bool = False) -> dict[str, str]:
    """Programs that create an order at the mock whose API port has this URL, by what they are written in.

    Python: `alibabacloud-cas20200407`; Node: `@alicloud/cas20200407`. If the mock verifies signatures (`signed`), the
    access key is left open, and there is none for curl, which cannot sign.

    >>> print(snippets("http://127.0.0.1:8080")["curl"])
    curl http://127.0.0.1:8080 -d Version=2020-04-07 -d Action=CreateCertificateForPackageRequest -d Domain=example.com
    """
    url = urlsplit(api_url)
    key = {"id": "ACCESS_KEY_ID", "secret": "ACCESS_KEY_SECRET"} if signed else {"id": "test", "secret": "test"}
    return {
        language: Template(program).substitute(key, host=url.netloc, scheme=url.scheme)
        for language, program in _PROGRAMS.items()
        if not (signed and language == _CURL)
    }
