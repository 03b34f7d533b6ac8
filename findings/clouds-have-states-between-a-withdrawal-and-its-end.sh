#!/usr/bin/env bash
# tencentcloud-sdk-python-ssl 3.1.145, huaweicloudsdkscm 3.1.219 and botocore 1.44.8.
# The statuses of a certificate, as the SDKs' own texts and models list them. A withdrawal and a revocation are not done
# when they are answered at Tencent and Huawei, whose lists have a word for the time between; ACM has none, and is the
# only one with a word for a validation that took too long. None has one for a certificate that is about to expire.
# Seen: Tencent: 6 and 7 (being cancelled, cancelled), 9 and 10 (being revoked, revoked); one error code for a withdrawal
# of what is not there and of what cannot be withdrawn. Huawei: CANCELCHECKING, REVOKING. ACM: VALIDATION_TIMED_OUT.
# One would guess: who gets a 200 for a withdrawal may delete, or submit again, at once; and "not found" is a code of its
# own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  tencentcloud-sdk-python-ssl==3.1.145 huaweicloudsdkscm==3.1.219 botocore==1.44.8
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S -W ignore - <<'EOF'
import re

import botocore.session
from huaweicloudsdkscm.v3 import ListCertificatesRequest
from tencentcloud.ssl.v20191205 import errorcodes, models

tencent = dict(re.findall(r"(\d+) = ([^，。]+)", models.DescribeCertificateResponse.Status.fget.__doc__))
huawei = set(re.findall(r"- ([A-Z_]+)：", ListCertificatesRequest.status.fget.__doc__))
acm = set(botocore.session.get_session().get_service_model("acm").shape_for("CertificateStatus").enum)
codes = {each for each in vars(errorcodes).values() if isinstance(each, str) and "NotFound" in each}
print("tencent:", tencent)
print("huawei:", sorted(huawei))
print("acm:", sorted(acm))
assert {each: tencent[each][-1] for each in ("6", "9")} == {"6": "中", "9": "中"}, "this has changed"
assert {"7", "10"} <= set(tencent), "this has changed"
assert "FailedOperation.CertificateNotFoundOrCantCancel" in codes, "this has changed"
assert {"CANCELCHECKING", "REVOKING", "REVOKED"} <= huawei, "this has changed"
assert "VALIDATION_TIMED_OUT" in acm, "this has changed"
assert not any("REVOKING" in each or "CANCEL" in each for each in acm), "this has changed"
assert not any("WILL" in each or "EXPIRING" in each for each in acm | huawei), "this has changed"
EOF
