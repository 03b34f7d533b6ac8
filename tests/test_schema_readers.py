"""Validators of JSON Schema, in Python and in JavaScript, say the same of every document, right or spoiled."""

from __future__ import annotations

import copy
import json
import os
import subprocess

import node_packages
import other_table
import pytest

jsonschema = pytest.importorskip("jsonschema", reason="the extra `cli` is not installed")
fastjsonschema = pytest.importorskip("fastjsonschema", reason="fastjsonschema is not installed")

from orderfsm.export import document, schema
from orderfsm.tables import acme

TABLES = {each.name: each for each in (acme.LIFECYCLE, other_table.LIFECYCLE)}
"""The small ones: a document is spoiled in every place."""


def places(node, way=()):
    """Every key in a document, in the first element of each list."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield (*way, key)
            yield from places(value, (*way, key))
    elif isinstance(node, list) and node:
        yield from places(node[0], (*way, 0))


def _without(rule, key):
    del rule[key]


def _of_another_type(rule, key):
    rule[key] = [[]]


def _with_more(rule, key):
    rule[f"{key} and more"] = 1


def spoiled(right):
    """The document with each key left out, with a value of another type, and with one key more beside it."""
    for *way, last in places(right):
        for spoil in (_without, _of_another_type, _with_more):
            wrong = copy.deepcopy(right)
            rule = wrong
            for key in way:
                rule = rule[key]
            spoil(rule, last)
            yield wrong


class Asked:
    """A table's schema, its document right and spoiled, and what fastjsonschema says of each."""

    def __init__(self, table):
        self.schema = schema(table)
        right = json.loads(json.dumps(document(table)))
        self.documents = [right, *spoiled(right)]
        self._validate = fastjsonschema.compile(self.schema)
        self.valid = list(map(self._is_valid, self.documents))
        assert self.valid[0]
        assert not all(self.valid)

    def _is_valid(self, each):
        try:
            self._validate(each)
        except fastjsonschema.JsonSchemaValueException:
            return False
        return True


@pytest.fixture(scope="module", params=TABLES.values(), ids=TABLES)
def asked(request):
    return Asked(request.param)


def test_ajv_says_of_every_document_what_fastjsonschema_says_and_its_default_class_refuses_the_schema(asked):
    node_packages.install_node_packages()
    environment = os.environ | {"NODE_PATH": str(node_packages.INSTALLED / "node_modules")}
    given = json.dumps({"schema": asked.schema, "documents": asked.documents})
    command = ["node", node_packages.NODE / "ajv.cjs"]
    done = subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert said["valid"] == asked.valid
    assert said["default"] == 'no schema with key or ref "https://json-schema.org/draft/2020-12/schema"'


def test_jsonschema_says_the_same_of_one_document_in_seven(asked):
    """It takes a hundred times as long; seven is no multiple of the ways to spoil one."""
    validator = jsonschema.Draft202012Validator(asked.schema)
    assert list(map(validator.is_valid, asked.documents[::7])) == asked.valid[::7]
