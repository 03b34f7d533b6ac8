"""Files are what their first bytes say, and their objects are read one by one, whatever stands between them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import sys
import tracemalloc
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderfsm import InvalidValue, streams
from orderfsm.streams import Found, batches, is_line, opened, unpacked, values

ONE, TWO, THREE = ({"a": number} for number in (1, 2, 3))
NESTED = {"a": {"b": [1, {"c": "}{ ]["}]}}


def read(given):
    """What `values` gives of a text: the objects, and the texts of what is none, with their numbers."""
    stream = io.BufferedReader(io.BytesIO(given.encode() if isinstance(given, str) else given))
    found = []
    for number, value in values(stream, "log"):
        try:
            found.append((number, json.loads(value) if isinstance(value, bytes) else value))
        except ValueError:
            found.append((number, value.decode("utf-8", "replace").strip()))
    return found


def numbers_in_lines(text, place):
    """What finds `{"a":1}`, each on a line: with its number and value."""
    found = []
    several = re.match(rb'(?:\{"a":\d+\}\n)*', text)[0]
    for line in several.splitlines():
        last = found[-1][0] if found else place.last
        found.append((last + 1 if place.counts else max(place.line + len(found), last + 1), json.loads(line)))
    return Found(len(several), found[-1][0], len(found), 0, found) if found else None


def numbers_in_arrays(text, place):
    """What finds `{"a":1}` in an array, where another object follows."""
    found, last, line, ended, size = [], place.last, place.line, 0, 0
    while each := re.compile(rb'(\{"a":\d+\}),(\n?)(?=\{)').match(text, size):
        last = last + 1 if place.counts or last >= line else line
        found.append((last, json.loads(each[1])))
        line, ended, size = line + len(each[2]), 0 if each[2] else ended + 1, each.end()
    return Found(size, last, line - place.line, ended, found) if found else None


def read_by_finding(text, piece):
    """The same as of `read`, where numbers are found by another reader; and how many were."""

    def find(text, place, *, whole):
        found = (numbers_in_arrays if place.inside else numbers_in_lines)(text, place)
        counted.extend(found.objects if found else ())
        return found

    counted, read = [], []
    with pytest.MonkeyPatch.context() as patched:
        for name in ("_FEWEST", "_BLOCK", "_PIECE"):
            patched.setattr(streams, name, piece)
        for batch in batches(io.BufferedReader(io.BytesIO(text.encode())), "log", find):
            read += batch.objects if isinstance(batch, Found) else batch[1]
    return [(at, json.loads(each) if isinstance(each, bytes) else each) for at, each in read], len(counted)


WRITTEN = {
    "lines": ('{"a":1}\n{"a":2}', [(1, ONE), (2, TWO)]),
    "lines with empty ones": ('\n \r\n{"a":1}\r\n\n{"a":2}\n', [(3, ONE), (5, TWO)]),
    "lines ended by CR alone": ('{"a":1}\r{"a":2}\r\r{"a":3}\r', [(1, ONE), (2, TWO), (4, THREE)]),
    "without anything between them": ('{"a":1}{"a":2}\n{"a":3}', [(1, ONE), (2, TWO), (3, THREE)]),
    "with commas behind them": ('{"a":1},\n{"a":2},\n', [(1, ONE), (2, TWO)]),
    "as lines that separators end": ('{"a":1}\x1e\n{"a":2}\ufeff\n{"a":3}\x1e', [(1, ONE), (2, TWO), (3, THREE)]),
    "as JSON text sequences": ('\x1e{"a":1}\n\x1e{"a":2}\n', [(1, ONE), (2, TWO)]),
    "with marks of byte order": ('\ufeff{"a":1}\n\ufeff{"a":2}\n', [(1, ONE), (2, TWO)]),
    "printed over lines": ('{\n  "a": 1\n}\n{\n  "a": 2\n}\n{"a":3}\n', [(1, ONE), (4, TWO), (7, THREE)]),
    "begun like a line": ('{"a":{"b":[1,{"c":"}{ ]["}]}\n}\n{"a":1}\n', [(1, NESTED), (3, ONE)]),
    "an array": ('[{"a":1},{"a":2}]', [(1, ONE), (2, TWO)]),
    "an array of lines": ('[\n{"a":1},\n{"a":2}\n]\n', [(1, ONE), (2, TWO)]),
    "arrays without anything between them": ('[{"a":1}][{"a":2}]', [(1, ONE), (2, TWO)]),
    "arrays in an array": ('[[{"a":1}],[{"a":2}]]', [(1, ONE), (2, TWO)]),
    "an object, then an array": ('{"a":1}\n[{"a":2},{"a":3}]\n', [(1, ONE), (2, TWO), (3, THREE)]),
    "an array, then an object": ('[{"a":2},{"a":3}]\n{"a":1}\n', [(1, TWO), (2, THREE), (3, ONE)]),
    "what a query answers": ('{"Events":[{"a":1},{"a":2}],"RequestId":"x"}\n', [(1, ONE), (2, TWO)]),
    "what a query answers, behind more": ('{"N":1,"x":{"y":[]},"Records":[{"a":1}]}\n{"a":2}', [(1, ONE), (2, TWO)]),
    "answers over lines": (
        '{\n"Id": "x",\n"Events": [\n{"a":1}\n],\n"y": [1]\n}{"Records":[{"a":2}]}',
        [(1, ONE), (2, TWO)],
    ),
    "what a query answers, twice": ('{"Events":[{"a":1}],"Records":[{"a":2}]}\n', [(1, ONE), (2, TWO)]),
    "an answer that goes on with text": ('{"Events":[{"a":1}] oops}\n{"a":2}\n', [(1, ONE), (2, "oops}"), (3, TWO)]),
    "a line with a list of that name": ('{"time":1,"Events":[{"a":1}]}\n', [(1, {"time": 1, "Events": [ONE]})]),
    "nothing": ("", []),
    "an empty array": ("[]", []),
    "empty arrays": ("[ ]\n[][]\n", []),
    "an answer without events": ('{"Events":[]}\n{"RequestId":{},"Records":[]}', []),
    "a line that is none": ('garbage\n{"a":1}\n', [(1, "garbage"), (2, ONE)]),
    "a line of a log": ('[2026-08-05] begun\n["x"]\n{"a":1}\n', [(1, "[2026-08-05] begun"), (2, ["x"]), (3, ONE)]),
    "a line that is more": ('{"a":1} x\n{"a":2}\n', [(1, '{"a":1} x'), (2, TWO)]),
    "a line that is cut off": ('{"a": 1, \n{"a":1}\n{"a":2}\n', [(1, '{"a": 1,'), (2, ONE), (3, TWO)]),
    "a line that is cut off in a text": ('{"a": "x\n{"a":1}\n', [(1, '{"a": "x'), (2, ONE)]),
    "a line within the line before": ('{"a":1}{"a":{"a":2}\n{"a":3}\n', [(1, ONE), (2, '{"a":{"a":2}'), (3, THREE)]),
    "text between objects": ('{"a":1}--{"a":2}--{"a":3}\n', [(1, ONE), (2, "--"), (3, TWO), (4, "--"), (5, THREE)]),
    "a bad element": ('[\n{"a":1},\noops\n{"a":2}\n]\n', [(1, ONE), (2, "oops"), (3, TWO)]),
    "an array that breaks off": ('[{"a":1},{"a":2', [(1, ONE), (2, '{"a":2'), (3, "an array that is not closed")]),
    "a mark of an end alone": ('{"a":1}\n]\n', [(1, ONE), (2, "]")]),
    "a number that is none": ('[{"a":NaN},{"a":1}]', [(1, {"a": pytest.approx(float("nan"), nan_ok=True)}), (2, ONE)]),
    "a number without end": ('{"a":\n' + "9" * 5000 + '}\n{"a":1}\n', [(1, '{"a":'), (2, int("9" * 1024)), (3, ONE)]),
    "what is not UTF-8": (b'[{"a":"\xff"},{"a":1}]', [(1, '{"a":"\ufffd"}'), (2, ONE)]),
}


@pytest.mark.parametrize(("given", "expected"), WRITTEN.values(), ids=WRITTEN)
def test_each_object_is_read_once_however_it_is_written(given, expected):
    assert read(given) == expected


@pytest.mark.parametrize("line", ['{"a":1} x}', '{"a":1}}', '{"a":"}', '{"a":1},', '{"a":"{"}', '{"a":1}{"a":2}'])
@pytest.mark.parametrize("beside", ['{"a":1}', json.dumps(NESTED)])
def test_a_line_is_read_as_it_is_whatever_stands_beside_it(line, beside):
    alone = [value for _, value in read(f"{line}\n")]
    assert [value for _, value in read(f"{beside}\n{line}\n{beside}\n")][1:-1] == alone


OBJECTS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text('a{}[]"\\,\n é', max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
).map(lambda value: {"a": value})
BETWEEN = st.sampled_from(["\n", "\r\n", "\r", "", " ", ",\n", "\n\n", "\x1e", "\ufeff", "\t"])
DUMPS = st.sampled_from([{}, {"indent": 1}, {"ensure_ascii": False}, {"separators": (",\n", ":\n")}])


@given(
    st.lists(st.tuples(st.lists(OBJECTS, max_size=4), st.sampled_from(["lines", "array", "answer"]), DUMPS, BETWEEN)),
    st.integers(2, 40),
)
def test_whatever_stands_between_them_and_wherever_it_is_cut_into_blocks(written, block):
    text, expected = "", []
    for some, form, options, between in written:
        texts = [json.dumps(each, **options) for each in some]
        text += {
            "lines": between.join(texts),
            "array": f"[{f',{between}'.join(texts)}]",
            "answer": f'{{"Events": [{f",{between}".join(texts)}], "x": 1}}',
        }[form] + between
        expected += some
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(streams, "_BLOCK", block)
        patched.setattr(streams, "_PIECE", block)
        found = read(text)
    assert [value for _, value in found] == expected
    assert [number for number, _ in found] == sorted({number for number, _ in found})


NUMBERS = st.lists(st.integers(0, 99).map(lambda value: {"a": value}), max_size=30)


@given(
    st.lists(
        st.tuples(
            NUMBERS | st.lists(OBJECTS, max_size=2), st.sampled_from(["lines", "array"]), st.sampled_from(["", "\n"])
        )
    ),
    st.sampled_from([16, 64, 1024]),
)
def test_what_another_reader_finds_has_the_numbers_that_it_has_without(written, piece):
    text = ""
    for some, form, between in written:
        texts = [json.dumps(each, separators=(",", ":")) for each in some]
        text += {
            "lines": "".join(f"{each}\n" for each in texts),
            "array": f"[{between}{f',{between}'.join(texts)}]{between}",
        }[form]
    assert read_by_finding(text, piece)[0] == read(text)


@pytest.mark.parametrize(("begin", "between", "end"), [("", "\n", "\n"), ("[", ",", "]"), ("[\n", ",\n", "\n]\n")])
def test_another_reader_finds_most_of_what_it_can(begin, between, end):
    text = begin + between.join(f'{{"a":{number}}}' for number in range(1000)) + end
    found, by_another = read_by_finding(text, 256)
    assert found == read(text)
    assert by_another > 900


@given(OBJECTS, st.sampled_from([{}, {"separators": (",", ":")}]), st.sampled_from(["", " ", ",", "]", "\x1e"]))
def test_a_line_is_given_as_its_text_where_that_is_said_of_it(value, options, behind):
    text = json.dumps(value, **options).encode() + behind.encode()
    found = [each for _, each in values(io.BufferedReader(io.BytesIO(text + b"\n")), "log")]
    assert ([each.strip() for each in found if isinstance(each, bytes)] == [text.strip()]) is is_line(text)


@pytest.mark.parametrize(
    "text", ['[{"a":1},{"b":},{"a":2}]', '{"a":1}{"a":2}{"b":}{"a":2}', '[{"a":1},{"b":"\\x"},{"a":2}\n]']
)
def test_if_nobody_knows_how_many_are_lost_it_is_an_error(text):
    with pytest.raises(InvalidValue, match=r"JSON file 'log': expected one whose objects can be read.* line 1"):
        read(text)


class Endless(io.RawIOBase):
    """So many bytes of a text that goes on and on."""

    def __init__(self, begin, again, end, size):
        self.parts, self.again, self.left = [begin], again, size
        self.end = end

    def readable(self):
        return True

    def readinto(self, buffer):
        if not self.parts:
            self.parts.append(self.again * (len(buffer) // len(self.again) or 1) if self.left > 0 else self.end)
            self.end = b"" if self.left <= 0 else self.end
        part = self.parts.pop()
        self.left -= len(part)
        buffer[: len(part)] = part
        return len(part)


OBJECT = b'{"a":"%s"},' % (b"x" * 1000)


@pytest.mark.parametrize(
    ("begin", "again", "end", "count"),
    [
        (b'{"a":1}\n{"a":"', b"x", b'"}\n{"a":2}\n', 3),
        (b'{"a":1}\n', b"x", b'\n{"a":2}\n', 3),
        (b"[", OBJECT, b"{}]", None),
        (b'{"Events":[', OBJECT, b"{}]}", None),
    ],
    ids=["an object of one line", "a line", "an array", "an answer"],
)
def test_no_more_than_an_object_is_held_at_a_time(begin, again, end, count, monkeypatch):
    monkeypatch.setattr(streams, "LONGEST", 1 << 18)
    stream = io.BufferedReader(Endless(begin, again, end, 1 << 24))
    tracemalloc.start()
    try:
        last, bad = None, 0
        for number, value in values(stream):
            last, bad = number, bad + (isinstance(value, bytes) and not value.strip().endswith(b"}"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 << 20
    assert (last, bad) == (count, 1) if count else (last > 8_000, bad) == (True, 0)


# -- opening -----------------------------------------------------------------------------------------------------------

LINES = b'{"a": 1}\n{"a": 2}\n'


def zstd(data):
    return pytest.importorskip("pyarrow").compress(data, "zstd", asbytes=True)


COMPRESSED = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd}
ENCODED = {
    "UTF-8 with a mark": lambda data: b"\xef\xbb\xbf" + data,
    "UTF-16 with a mark": lambda data: data.decode().encode("utf-16"),
    "UTF-16, little end first": lambda data: data.decode().encode("utf-16-le"),
    "UTF-16, big end first": lambda data: data.decode().encode("utf-16-be"),
    "UTF-32": lambda data: data.decode().encode("utf-32"),
}


@pytest.mark.parametrize("name", ["a.jsonl", "a.gz", "a.parquet", "a"])
@pytest.mark.parametrize("write", [*COMPRESSED.values(), *ENCODED.values()], ids=[*COMPRESSED, *ENCODED])
def test_a_file_is_what_its_first_bytes_say(write, name, tmp_path):
    (tmp_path / name).write_bytes(write(LINES))
    with opened(tmp_path / name) as stream:
        assert stream.read() == LINES


@pytest.mark.parametrize("compress", COMPRESSED.values(), ids=COMPRESSED)
def test_what_was_joined_after_it_was_compressed_is_read_whole(compress, tmp_path):
    (tmp_path / "a").write_bytes(compress(LINES) * 3)
    with opened(tmp_path / "a") as stream:
        assert stream.read() == LINES * 3


def test_what_is_compressed_and_encoded_is_both(tmp_path):
    (tmp_path / "a").write_bytes(bz2.compress(gzip.compress(LINES.decode().encode("utf-16"))))
    with opened(tmp_path / "a") as stream:
        assert stream.read() == LINES


@pytest.mark.parametrize("data", [b"PAR1" + bytes(90), b"<?xml version='1.0'?>", b""])
def test_what_is_unpacked_may_be_of_any_kind(data, tmp_path):
    (tmp_path / "a").write_bytes(bz2.compress(gzip.compress(data)))
    with unpacked(tmp_path / "a") as stream:
        assert stream.read() == data


def quine():
    data = LINES
    for _ in range(9):
        data = gzip.compress(data, mtime=0)
    return data


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"PAR1" + bytes(90), "Parquet"),
        (gzip.compress(b"PAR1" + bytes(90), mtime=0), "Parquet"),
        (b"ARROW1\0\0", "an Arrow file"),
        (b"\xff\xff\xff\xff\x10\0\0\0", "an Arrow stream"),
        (b"FEA1", "Feather"),
        (b"PK\x03\x04" + bytes(90), "a zip archive"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"Obj\x01", "Avro"),
        (b"ORC", "ORC"),
        (b"time,order_id,operation\n2026-08-05T06:10:01Z,7,x\n", "CSV"),
        (b'\xef\xbb\xbf"order_id";"time"\n', "CSV"),
        (quine(), "compressed less than"),
        (b"\x1f\x8b" + bytes(90), "gzip file '.*a': expected an undamaged one"),
        (bz2.compress(LINES)[:-5], "bzip2 file"),
        (lzma.compress(LINES)[:-5], "xz file"),
        (b"\x28\xb5\x2f\xfd" + bytes(90), "zstd file"),
        (LINES.decode().encode("utf-16")[:-1], "UTF-16 file"),
        (b"\0\0\0\1" + b"\xff" * 90, "UTF-"),
    ],
    ids=lambda given: given[:12] if isinstance(given, bytes) else "",
)
def test_what_is_no_text_or_damaged_is_an_error_that_names_it(data, named, tmp_path):
    if named == "zstd file":
        pytest.importorskip("pyarrow")
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(InvalidValue, match=named), opened(tmp_path / "a") as stream:
        stream.read()


def test_a_file_of_no_bytes_is_empty_unless_its_name_promises_more(tmp_path):
    for name in ("a.jsonl", "a"):
        (tmp_path / name).touch()
        with opened(tmp_path / name) as stream:
            assert stream.read() == b""
    for name in ("a.GZ", "a.parquet", "a.zst"):
        (tmp_path / name).touch()
        with pytest.raises(InvalidValue, match=r"expected an undamaged one \(it is empty\)"), opened(tmp_path / name):
            pass


def test_what_comes_byte_by_byte_is_the_same(tmp_path):
    class Slow(io.BytesIO):
        def read1(self, size=-1):
            return super().read1(min(size, 1))

    text = LINES * 100
    with opened(Slow(text.decode().encode("utf-16"))) as stream:
        assert stream.read() == text


@pytest.mark.parametrize("has_zstd", [False, True])
def test_zstd_is_read_by_python_if_it_can_and_else_by_pyarrow(has_zstd, tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    python = types.ModuleType("compression.zstd")
    python.ZstdFile = lambda stream: pyarrow.CompressedInputStream(pyarrow.PythonFile(stream, "r"), "zstd")
    monkeypatch.setitem(sys.modules, "compression", types.ModuleType("compression"))
    monkeypatch.setitem(sys.modules, "compression.zstd", python if has_zstd else None)
    monkeypatch.setitem(sys.modules, "pyarrow", None if has_zstd else pyarrow)
    (tmp_path / "a").write_bytes(pyarrow.compress(LINES, "zstd", asbytes=True))
    with opened(tmp_path / "a") as stream:
        assert stream.read() == LINES


def test_without_a_library_for_zstd_it_is_an_error_that_says_what_helps(tmp_path, monkeypatch):
    for name in ("compression.zstd", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "a.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(90))
    with (
        pytest.raises(InvalidValue, match=r"zstd file .*a\.zst': .*pip install 'orderfsm\[audit\]'"),
        opened(tmp_path / "a.zst"),
    ):
        pass


def test_a_disk_that_fails_is_no_damaged_file(tmp_path):
    given = [gzip.compress(LINES * 10**5, mtime=0)[:900]]

    class Failing(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            if not given:
                raise OSError(5, "Input/output error")
            data = given.pop()
            buffer[: len(data)] = data
            return len(data)

    with pytest.raises(OSError, match="Input/output error"), opened(Failing()) as stream:
        stream.read()


def test_an_envelope_whose_end_is_lost_in_a_bad_object_is_bad_lines_and_no_crash():
    text = b'[{"Events": [{"x": 07}], "x": "7"}\n{"Events": [{"x": 7}], "x": "7"}\n]'
    found = list(values(io.BufferedReader(io.BytesIO(text))))
    assert {"x": 7} in [value for _, value in found]
