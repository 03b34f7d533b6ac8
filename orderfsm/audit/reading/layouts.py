"""How lines stand in Parquet files and in users' frames, and whether an engine can read them as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from orderfsm.audit.columns import CONTEXT, FORMAT, IDS, INTERVAL, REQUIRED, SAID, key_of
from orderfsm.audit.engines.engine import Layout
from orderfsm.invalid import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.identity import Identity

_OF_ENGINES = {"file_index", "file_row_number", "filename", "row_of_the_table", "number_of_the_file", "_metadata"}
"""Names that mean something else to one of the engines, none of which tells them apart from a column's."""


def named(present: list[str], columns: Mapping[str, str] | None, kind: str, identity: Identity) -> dict[str, str]:
    """Which column of those `present` holds which of `FORMAT`, whose keys `columns` may give other names.

    A column that is missing, or a key of `columns` that the format does not have, is an `InvalidValue`.
    """
    keys = {key_of(column, identity): column for column in FORMAT}
    given = dict(columns or {})
    for name in present:
        if present.count(name) > 1:
            raise InvalidValue(f"columns of {kind}", present, [f"{name} only once"])
    for key in given:
        if key not in {*keys, *CONTEXT}:
            raise InvalidValue("column of the trace format", key, [*keys, *CONTEXT])
    names = {column: given.get(key, key) for key, column in keys.items() if key in given or key in present}
    wanted = [*REQUIRED, *(() if "event" in names else ("operation",)), *(("outcome",) if "operation" in names else ())]
    for key in [*(key_of(column, identity) for column in wanted), *given]:
        if given.get(key, key) not in present:
            raise InvalidValue(f"columns of {kind}", present, [f"{given.get(key, key)}, which holds the {key}"])
    return names


def context_named(present: list[str], columns: Mapping[str, str] | None) -> dict[str, str]:
    """Which column of those `present` holds what of `CONTEXT`; `columns` as for `named`."""
    names = {key: (columns or {}).get(key, key) for key in CONTEXT}
    return {key: name for key, name in names.items() if name in present}


def layout(schema: pa.Schema, names: Mapping[str, str], identity: Identity) -> Layout | None:
    """The layout of a table of this schema; None if its times are text, say, so that the core must read them."""
    fits_id = pa.types.is_string if identity.is_text else pa.types.is_integer
    types = {key: _plain(schema.field(name).type) for key, name in names.items()}
    fits = (
        pa.types.is_timestamp(types["time"])
        and all(fits_id(types[key]) for key in IDS if not _empty(types, key))
        and all(pa.types.is_string(types[key]) for key in SAID if not _empty(types, key))
        and not any(pa.types.is_string(types[key]) for key in INTERVAL if not _empty(types, key))
    )
    folded = [name.casefold() for name in schema.names]
    if len(set(folded)) < len(folded) or not _OF_ENGINES.isdisjoint(folded):
        return None
    present = {key: name for key, name in names.items() if not _empty(types, key)}
    large = any(pa.types.is_uint64(types[key]) for key in IDS if key in present)
    if not fits or "order_id" not in present:
        return None
    return Layout(present, tuple(str(types[key]) for key in present), types["time"].unit, large, identity.is_text)


def _empty(types: Mapping[str, pa.DataType], key: str) -> bool:
    return key not in types or pa.types.is_null(types[key])


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind
