"""How lines stand in Parquet files and in users' frames, and whether an engine can read them as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from orderfsm.audit.columns import CONTEXT, FORMAT, IDS, INTERVAL, SAID, key_of, keys_in
from orderfsm.audit.engines.engine import Beside, Layout
from orderfsm.invalid import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.trace.tables import Tables

_OF_ENGINES = {"file_index", "file_row_number", "filename", "row_of_the_table", "number_of_the_file", "_metadata"}
"""Names that mean something else to one of the engines, none of which tells them apart from a column's."""


def named(present: list[str], columns: Mapping[str, str] | None, kind: str, tables: Tables) -> dict[str, str]:
    """Which column of those `present` holds which key of the format, to which `columns` may give other names.

    A column that is missing, or a key of `columns` that the format does not have, is an `InvalidValue`.
    """
    keys = keys_in(tables.judged)
    given = dict(columns or {})
    for name in present:
        if present.count(name) > 1:
            raise InvalidValue(f"columns of {kind}", present, [f"{name} only once"])
    for key in given:
        if key not in {*keys, *CONTEXT}:
            raise InvalidValue("column of the trace format", key, [*keys, *CONTEXT])
    names = {key: given.get(key, key) for key in keys if key in given or key in present}
    ids = [key_of("order_id", table) for table in tables.judged]
    missing = [] if any(key in names for key in ids) else ids
    wanted = ["time", *(() if "event" in names else ("operation",)), *(("outcome",) if "operation" in names else ())]
    wrong = [key for key in [*wanted, *given] if given.get(key, key) not in present]
    if wrong or missing:
        accepted = [f"{given.get(key, key)}, which holds the {key}" for key in wrong[:1] or missing]
        raise InvalidValue(f"columns of {kind}", present, [" or ".join(accepted)])
    others = (key_of("order_id", table) for table in tables.others)
    return names | {key: key for key in others if key in present and key not in names.values()}


def context_named(present: list[str], columns: Mapping[str, str] | None) -> dict[str, str]:
    """Which column of those `present` holds what of `CONTEXT`; `columns` as for `named`."""
    names = {key: (columns or {}).get(key, key) for key in CONTEXT}
    return {key: name for key, name in names.items() if name in present}


class Part(NamedTuple):
    """The lines of one of the judged tables in a file or a frame; `home`: those without an id are among them."""

    table: Lifecycle
    layout: Layout
    home: bool


def layouts(schema: pa.Schema, names: Mapping[str, str], tables: Tables) -> list[Part]:
    """The layout of the lines of each judged table in a file of this schema.

    There is none if its times are text, say, so that the core must read them.
    """
    types = {key: _plain(schema.field(name).type) for key, name in names.items()}
    present = {key: name for key, name in names.items() if not pa.types.is_null(types[key])}
    there = [table for table in tables.known if key_of("order_id", table) in present]
    judged = [table for table in there if table in tables.judged]
    if not all(_fits(types[key], table) for table in there for key in _ids(table) if key in present):
        return []
    found = [_layout(schema, {key: types[key] for key in present}, present, table) for table in judged]
    parts = [
        Part(table, layout._replace(beside=tuple(_beside(table, there, judged, present))), home=table is judged[0])
        for table, layout in zip(judged, found, strict=True)
        if layout is not None
    ]
    return parts if len(parts) == len(judged) else []


def _ids(table: Lifecycle) -> list[str]:
    return [key_of(column, table) for column in IDS]


def _fits(kind: pa.DataType, table: Lifecycle) -> bool:
    return bool(pa.types.is_string(kind) if table.identity.is_text else pa.types.is_integer(kind))


def _beside(
    table: Lifecycle, there: Sequence[Lifecycle], judged: Sequence[Lifecycle], names: Mapping[str, str]
) -> Iterator[tuple[str, bool, Beside]]:
    """The columns of other tables' ids, and what it means if one stands there."""
    at = there.index(table)
    for place, other in enumerate(there):
        if other is not table:
            means = Beside.EARLIER if place < at else Beside.LATER if other in judged else Beside.OTHER
            yield names[key_of("order_id", other)], other.identity.is_text, means


def _layout(
    schema: pa.Schema, types: Mapping[str, pa.DataType], names: Mapping[str, str], table: Lifecycle
) -> Layout | None:
    columns = {column: key for column in FORMAT if (key := key_of(column, table)) in names}
    kinds = {column: types[key] for column, key in columns.items()}
    fits = (
        "time" in kinds
        and pa.types.is_timestamp(kinds["time"])
        and all(pa.types.is_string(kinds[column]) for column in SAID if column in kinds)
        and not any(pa.types.is_string(kinds[column]) for column in INTERVAL if column in kinds)
    )
    folded = [name.casefold() for name in schema.names]
    if not fits or len(set(folded)) < len(folded) or not _OF_ENGINES.isdisjoint(folded):
        return None
    large = any(pa.types.is_uint64(kinds[column]) for column in IDS if column in kinds)
    return Layout(
        {column: names[key] for column, key in columns.items()},
        tuple(map(str, kinds.values())),
        kinds["time"].unit,
        large,
        table.identity.is_text,
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind
