"""Keep the certificate of a domain up to date: apply, publish the validation record, wait, download, clean up.

Orders of V1.0, from a package of certificates; the domain's records are in Alibaba Cloud DNS of the same account.

    automation_v1.py www.example.com --zone example.com --out /etc/nginx/tls
    automation_v1.py www.example.com --zone example.com --out /etc/nginx/tls --retire 123456

Needs alibabacloud-cas20200407 3.9 and alibabacloud-alidns20150109 4.0, or newer ones.
Keys: ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET. Endpoints: CAS_ENDPOINT and ALIDNS_ENDPOINT.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from alibabacloud_alidns20150109 import models as dns_models
from alibabacloud_alidns20150109.client import Client as DnsClient
from alibabacloud_cas20200407 import models
from alibabacloud_cas20200407.client import Client
from alibabacloud_tea_openapi.models import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PRODUCT = "digicert-free-1-free"
RENEW_WITHIN = timedelta(days=30)


def config(endpoint: str) -> Config:
    """Where a product answers, as a host or as a URL, and with which keys."""
    url = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    return Config(
        access_key_id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
        access_key_secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        endpoint=url.netloc,
        protocol=url.scheme,
    )


class Automation:
    """What is done for one domain, whose records are in `zone`; each step is tried every `poll` seconds."""

    def __init__(self, domain: str, zone: str, poll: float, patience: float) -> None:
        self.domain, self.zone, self.poll, self.patience = domain, zone, poll, patience
        self.cas = Client(config(os.environ.get("CAS_ENDPOINT", "cas.aliyuncs.com")))
        self.dns = DnsClient(config(os.environ.get("ALIDNS_ENDPOINT", "alidns.cn-hangzhou.aliyuncs.com")))

    def certificates(self, status: str = "") -> Iterator[Any]:
        """The domain's certificates in the account, of that status; those that can be used if there is none."""
        page = 1
        while True:
            request = models.ListUserCertificateOrderRequest(
                order_type="CERT", keyword=self.domain, status=status, current_page=page, show_size=50
            )
            answer = self.cas.list_user_certificate_order(request).body
            yield from (each for each in answer.certificate_order_list if each.common_name == self.domain)
            if page * 50 >= answer.total_count:
                return
            page += 1

    def current(self) -> Any | None:
        """The certificate that lasts longest, if it lasts long enough."""
        late = (datetime.now(UTC) + RENEW_WITHIN).date()
        lasting = [each for each in self.certificates() if date.fromisoformat(each.end_date) > late]
        return max(lasting, key=lambda each: str(each.end_date), default=None)

    def apply(self) -> int:
        """Apply for a certificate, from the package if that has one left."""
        package = self.cas.describe_package_state(models.DescribePackageStateRequest(product_code=PRODUCT)).body
        if package.used_count >= package.total_count:
            raise SystemExit(f"the package {PRODUCT} is used up: {package.used_count} of {package.total_count}")
        request = models.CreateCertificateForPackageRequestRequest(
            domain=self.domain, product_code=PRODUCT, validate_type="DNS", email="", phone="", username=""
        )
        return int(self.cas.create_certificate_for_package_request(request).body.order_id)

    def described(self, order_id: int) -> Any:
        """How an order stands."""
        request = models.DescribeCertificateStateRequest(order_id=order_id)
        return self.cas.describe_certificate_state(request).body

    def until(self, order_id: int, reached: Callable[[Any], object]) -> Any:
        """How the order stands as soon as it is as it should be; if it fails, or takes too long, it is given up."""
        deadline = time.monotonic() + self.patience
        while True:
            state = self.described(order_id)
            if reached(state):
                return state
            if state.type == "verify_fail" or time.monotonic() > deadline:
                self.give_up(order_id, state.type)
                raise SystemExit(f"order {order_id} for {self.domain} came no further than {state.type}")
            time.sleep(self.poll)

    def publish(self, name: str, kind: str, value: str) -> str:
        """Put a record into the zone, in the place of an old one; its id."""
        host = name.removesuffix(f".{self.zone}")
        search = dns_models.DescribeDomainRecordsRequest(
            domain_name=self.zone, rrkey_word=host, type_key_word=kind, page_size=100
        )
        for record in self.dns.describe_domain_records(search).body.domain_records.record:
            if record.rr == host:
                if record.value != value:
                    update = dns_models.UpdateDomainRecordRequest(
                        record_id=record.record_id, rr=host, type=kind, value=value
                    )
                    self.dns.update_domain_record(update)
                return str(record.record_id)
        addition = dns_models.AddDomainRecordRequest(domain_name=self.zone, rr=host, type=kind, value=value)
        return str(self.dns.add_domain_record(addition).body.record_id)

    def withdraw(self, record_id: str) -> None:
        """Take the record away."""
        self.dns.delete_domain_record(dns_models.DeleteDomainRecordRequest(record_id=record_id))

    def download(self, cert_id: int, out: Path) -> None:
        """Write the chain and the key."""
        detail = self.cas.get_user_certificate_detail(models.GetUserCertificateDetailRequest(cert_id=cert_id)).body
        out.mkdir(parents=True, exist_ok=True)
        (out / "fullchain.pem").write_text(detail.cert)
        with open(out / "privkey.pem", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(detail.key)
        print(f"{detail.common}: certificate {cert_id}, valid until {detail.end_date}, in {out}")

    def give_up(self, order_id: int, kind: str) -> None:
        """Withdraw an order if it is under way, and delete it, so that the package has its unit back."""
        if kind in {"domain_verify", "process"}:
            self.cas.cancel_order_request(models.CancelOrderRequestRequest(order_id=order_id))
        self.cas.delete_certificate_request(models.DeleteCertificateRequestRequest(order_id=order_id))

    def run(self, out: Path) -> None:
        """Have a certificate that lasts, and its files."""
        current = self.current()
        if current is not None:
            print(f"{self.domain}: nothing to do until {current.end_date}")
            self.download(current.certificate_id, out)
            return
        order_id = self.apply()
        asked = self.until(order_id, lambda state: state.type == "domain_verify" and state.record_domain)
        record_id = self.publish(asked.record_domain, asked.record_type, asked.record_value)
        try:
            issued = self.until(order_id, lambda state: state.type == "certificate")
        finally:
            self.withdraw(record_id)
        self.download(int(issued.cert_id), out)
        for old in list(self.certificates("EXPIRED")):
            self.delete(old.certificate_id)

    def retire(self, order_id: int) -> None:
        """Revoke an order's certificate, and delete what is left of it."""
        state = self.described(order_id)
        if state.type != "certificate":
            self.give_up(order_id, state.type)
            return
        request = models.CancelCertificateForPackageRequestRequest(order_id=order_id)
        self.cas.cancel_certificate_for_package_request(request)
        self.delete(int(state.cert_id))

    def delete(self, cert_id: int) -> None:
        """Delete a certificate that is of no use any more."""
        self.cas.delete_user_certificate(models.DeleteUserCertificateRequest(cert_id=cert_id))
        print(f"{self.domain}: certificate {cert_id} is deleted")


def main(arguments: list[str]) -> None:
    """Read the command line, and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domain")
    parser.add_argument("--zone", required=True, help="the domain in whose zone the record is published")
    parser.add_argument("--out", required=True, type=Path, help="where fullchain.pem and privkey.pem are written")
    parser.add_argument("--poll", type=float, default=10.0, help="seconds between two looks at the order")
    parser.add_argument("--patience", type=float, default=3600.0, help="seconds after which an order is given up")
    parser.add_argument("--retire", type=int, metavar="ORDER", help="end that order instead")
    given = parser.parse_args(arguments)
    automation = Automation(given.domain, given.zone, given.poll, given.patience)
    if given.retire is None:
        automation.run(given.out)
    else:
        automation.retire(given.retire)


if __name__ == "__main__":
    main(sys.argv[1:])
