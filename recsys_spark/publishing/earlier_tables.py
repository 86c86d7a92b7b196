"""Tables that earlier versions of this package have left, held against the schemas before anything is published.

A nullable column that they lack joins by itself. Anything else would end a night in the middle of its tables, or leave
readers with columns that nobody fills: it is told before.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from recsys_spark.errors import DataError
from recsys_spark.publishing.sink import Sink
from recsys_spark.schemas import SCHEMA_VERSION, PinnedIds, TableSchema, misfits
from recsys_spark.schemas.versions import Version
from recsys_spark.side_by_side import side_by_side
from recsys_spark.spark_schema import to_spark
from recsys_spark.storage import Folder

NOTE = "schema_version.json"
"""In the folder `state`: the version of the schemas that the tables were last written with."""

HINT = "publish to another output.path, or take the tables away; docs/catalog.md says what a version promises"


def written_version(state: Folder) -> Version | None:
    """The version that the output's tables have; none: it was never noted.

    Raises:
        DataError: it is of another major version than this package's.
    """
    noted = state.read_json(NOTE)
    if noted is None:
        return None
    found, own = Version.parse(noted["version"]), Version.parse(SCHEMA_VERSION)
    if found.major != own.major:
        expected = f"tables of schema version {own.major}.x"
        raise DataError(str(state.parent), expected=expected, found=f"version {found}", hint=HINT)
    return found


def note_version(state: Folder) -> None:
    """Write down that the output's tables are of this package's version."""
    if state.read_json(NOTE) != {"version": SCHEMA_VERSION}:
        state.write_json(NOTE, {"version": SCHEMA_VERSION})


def require_fitting(sink: Sink, ids: PinnedIds, tables: Iterable[TableSchema], *, state: Folder) -> None:
    """Refuse tables that cannot go on in their schemas, all of them at once.

    Tables of a later minor version may have columns that this one does not know: whoever goes back to an earlier
    package keeps them, empty in new rows.

    Args:
        sink: of the output.
        ids: the pinned types of ids.
        tables: to be looked at.
        state: the folder of what outlives runs.

    Raises:
        DataError: some column of some table.
    """
    found = written_version(state)
    is_later = found is not None and found > Version.parse(SCHEMA_VERSION)
    looked_at = list(tables)
    problems = side_by_side(*(partial(_misfits, sink, ids, table, may_have_more=is_later) for table in looked_at))
    wrong = {table.name: columns for table, columns in zip(looked_at, problems, strict=True) if columns}
    if wrong:
        told = "; ".join(f"{name}: {', '.join(columns)}" for name, columns in wrong.items())
        raise DataError("tables", expected=f"the columns of schema version {SCHEMA_VERSION}", found=told, hint=HINT)


def _misfits(sink: Sink, ids: PinnedIds, table: TableSchema, *, may_have_more: bool) -> list[str]:
    found = sink.columns(table)
    if found is None:
        return []
    schema = table.arrow(ids)
    types = {field.name: field.dataType.simpleString() for field in to_spark(schema)}
    return misfits(schema, found, types=types, may_have_more=may_have_more)
