#!/usr/bin/env bash
# fastjsonschema 2.22.3, beside jsonschema 4.26.0.
# A schema that says by $schema that it is of 2020-12 is compiled without a word by the rules of draft 7: what is new
# since then (prefixItems, dependentRequired, unevaluatedProperties) is not checked at all.
# Seen: three documents that the schema forbids: jsonschema refuses each, fastjsonschema accepts each; what draft 7 has,
# such as const, both check.
# One would guess: a dialect that the validator does not know is refused, as ajv's default class refuses this one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  fastjsonschema==2.22.3 jsonschema==4.26.0
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
import fastjsonschema
import jsonschema

DIALECT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
FORBIDDEN = {
    "const": ({"const": "orders"}, "acme"),
    "prefixItems": ({"prefixItems": [{"type": "string"}]}, [1]),
    "dependentRequired": ({"dependentRequired": {"code": ["outcome"]}}, {"code": "OrderStateError"}),
    "unevaluatedProperties": ({"properties": {"code": {}}, "unevaluatedProperties": False}, {"cod": ""}),
}


def fast(schema, document):
    try:
        fastjsonschema.compile(schema)(document)
    except fastjsonschema.JsonSchemaValueException:
        return "refuses"
    return "accepts"


seen = {}
for keyword, (schema, document) in FORBIDDEN.items():
    valid = jsonschema.Draft202012Validator(DIALECT | schema).is_valid(document)
    seen[keyword] = "accepts" if valid else "refuses", fast(DIALECT | schema, document)
for keyword, (slow, quick) in seen.items():
    print(f"{keyword}: jsonschema {slow}, fastjsonschema {quick}")
both, one = ("refuses", "refuses"), ("refuses", "accepts")
assert list(seen.values()) == [both, one, one, one], "this has changed"
EOF
