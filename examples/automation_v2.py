"""Keep the certificate of a domain up to date: fill in an instance, apply, publish the records, wait, download.

Instances of V2.0; the domain's records are in Alibaba Cloud DNS of the same account.

    automation_v2.py www.example.com --zone example.com --out /etc/nginx/tls
    automation_v2.py www.example.com --zone example.com --out /etc/nginx/tls --retire

Needs alibabacloud-cas20200407 3.9 and alibabacloud-alidns20150109 4.0, or newer ones.
Keys: ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET. Endpoints: CAS_ENDPOINT and ALIDNS_ENDPOINT.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from alibabacloud_alidns20150109 import models as dns_models
from alibabacloud_alidns20150109.client import Client as DnsClient
from alibabacloud_cas20200407 import models
from alibabacloud_cas20200407.client import Client
from alibabacloud_tea_openapi.models import Config
from Tea.exceptions import TeaException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RENEW_WITHIN = 30 * 86_400


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

    def instances(self, **filters: Any) -> Iterator[Any]:
        """The account's instances that have what `filters` say; orders of V1.0 are listed as well."""
        page = 1
        while True:
            request = models.ListInstancesRequest(current_page=page, show_size=100, **filters)
            answer = self.cas.list_instances(request).body
            yield from (each for each in answer.instance_list if each.instance_id.startswith("cas-cn-"))
            if page * 100 >= answer.total_count:
                return
            page += 1

    def own(self) -> str | None:
        """The instance that is the domain's, if there is one."""
        found = (each for each in self.instances(keyword=self.domain) if each.domain == self.domain)
        return next((str(each.instance_id) for each in found), None)

    def unused(self) -> str:
        """An instance that was bought, and that nobody has filled in."""
        found = next((each for each in self.instances(status="inactive") if not each.domain), None)
        if found is None:
            raise SystemExit("no instance is left that is not used")
        return str(found.instance_id)

    def detail(self, instance: str) -> Any:
        """How an instance stands."""
        return self.cas.get_instance_detail(models.GetInstanceDetailRequest(instance_id=instance)).body

    def until(self, instance: str, reached: Callable[[Any], object], what: str) -> Any:
        """How the instance stands as soon as it is as it should be; an error if that takes too long."""
        deadline = time.monotonic() + self.patience
        while True:
            detail = self.detail(instance)
            if reached(detail):
                return detail
            if time.monotonic() > deadline:
                raise SystemExit(f"{instance} for {self.domain}: {what} took too long; it is {detail.status}")
            time.sleep(self.poll)

    def apply(self, instance: str) -> None:
        """Say what the certificate is for, and submit that."""
        update = models.UpdateInstanceRequest(
            instance_id=instance, domain=self.domain, validation_method="DNS", key_algorithm="ECC_256"
        )
        self.cas.update_instance(update)
        if self.detail(instance).status == "pending":  # the update has submitted it
            return
        self.cas.apply_certificate(models.ApplyCertificateRequest(instance_id=instance))

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

    def download(self, detail: Any, out: Path) -> None:
        """Write the chain and the key of an instance's certificate."""
        request = models.GetUserCertificateDetailRequest(cert_id=detail.certificate_id)
        found = self.cas.get_user_certificate_detail(request).body
        out.mkdir(parents=True, exist_ok=True)
        (out / "fullchain.pem").write_text(found.cert)
        with open(out / "privkey.pem", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(found.key)
        print(f"{found.common}: certificate {detail.certificate_id}, valid until {found.end_date}, in {out}")

    def validated(self, instance: str, last: int | None) -> Any:
        """How the instance stands when its new certificate is there: its records are published until then."""
        asked = self.until(instance, lambda detail: detail.domain_validation_list, "the submission")
        published = [
            self.publish(f"{each.validation_key}.{each.domain}", each.validation_type, each.validation_value)
            for each in asked.domain_validation_list
        ]
        try:
            return self.until(
                instance,
                lambda detail: detail.certificate_status == "issued" and detail.certificate_id != last,
                "the issuance",
            )
        except SystemExit:
            self.give_up(instance)
            raise
        finally:
            for record_id in published:
                self.dns.delete_domain_record(dns_models.DeleteDomainRecordRequest(record_id=record_id))

    def run(self, out: Path) -> None:
        """Have a certificate that lasts, and its files."""
        instance = self.own() or self.unused()
        detail = self.detail(instance)
        lasts = detail.certificate_status == "issued" and detail.certificate_not_after / 1000 - time.time()
        if not lasts or lasts < RENEW_WITHIN:
            last = detail.certificate_id
            self.apply(instance)
            detail = self.validated(instance, last)
        self.download(detail, out)

    def give_up(self, instance: str) -> None:
        """Withdraw an application; it may be too early for that."""
        deadline = time.monotonic() + self.patience
        while True:
            try:
                self.cas.cancel_pending_certificate(models.CancelPendingCertificateRequest(instance_id=instance))
            except TeaException as error:
                if error.code != "OperationDenied.StatusNotSupport" or time.monotonic() > deadline:
                    raise
                time.sleep(self.poll)
            else:
                return

    def retire(self) -> None:
        """Revoke the domain's certificate, have the instance refunded, and delete both."""
        instance = self.own()
        if instance is None:
            raise SystemExit(f"{self.domain} has no instance")
        certificate = self.detail(instance).certificate_id
        self.cas.revoke_certificate(models.RevokeCertificateRequest(instance_id=instance))
        self.until(instance, lambda detail: detail.certificate_status == "revoked", "the revocation")
        self.cas.delete_user_certificate(models.DeleteUserCertificateRequest(cert_id=certificate))
        self.cas.refund_instance(models.RefundInstanceRequest(instance_id=instance))
        self.until(instance, lambda detail: detail.status == "refund", "the refund")
        self.cas.delete_instance(models.DeleteInstanceRequest(instance_id=instance))
        print(f"{self.domain}: certificate {certificate} and {instance} are deleted")


def main(arguments: list[str]) -> None:
    """Read the command line, and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domain")
    parser.add_argument("--zone", required=True, help="the domain in whose zone the records are published")
    parser.add_argument("--out", required=True, type=Path, help="where fullchain.pem and privkey.pem are written")
    parser.add_argument("--poll", type=float, default=10.0, help="seconds between two looks at the instance")
    parser.add_argument("--patience", type=float, default=3600.0, help="seconds after which a step took too long")
    parser.add_argument("--retire", action="store_true", help="revoke and refund it instead")
    given = parser.parse_args(arguments)
    automation = Automation(given.domain, given.zone, given.poll, given.patience)
    if given.retire:
        automation.retire()
    else:
        automation.run(given.out)


if __name__ == "__main__":
    main(sys.argv[1:])
