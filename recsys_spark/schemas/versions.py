"""What a version of the schemas promises, and what a change of them asks of it.

A reader of version 1.0 can read every 1.x: columns and tables may only join, and a column that joins is nullable, so
that older files lack nothing. Whatever else changes is a new major version. `docs/schemas.json` is the committed state:
`docs/make_schemas.py` writes it, and refuses to if the version was not raised as the changes ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from recsys_spark.errors import ConfigError
from recsys_spark.schemas.columns import TableSchema

Described = dict[str, Any]
"""Tables as plain values: `{table: {"key": [...], "columns": [{"name", "type", "nullable"}, ...]}}`."""


class Version(NamedTuple):
    """Of all tables together."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `major.minor`.

        Raises:
            ConfigError: it is no version.
        """
        if not re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)", text):
            raise ConfigError("SCHEMA_VERSION", expected="a version such as 1.0", found=repr(text))
        major, minor = text.split(".")
        return cls(int(major), int(minor))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class Change(NamedTuple):
    """One difference between two states of the schemas."""

    where: str
    """`table` or `table.column`."""

    what: str
    is_breaking: bool
    """Whether somebody who reads the old state might fail on the new one."""


def described(tables: Sequence[TableSchema]) -> Described:
    """Tables as plain values, without comments: these may change freely."""
    return {
        table.name: {
            "key": list(table.key),
            "columns": [{"name": c.name, "type": c.type_name, "nullable": c.nullable} for c in table.columns],
        }
        for table in tables
    }


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """What has changed; a column or table of another name is one that is gone and one that is new."""
    found = [Change(name, "the table is gone", is_breaking=True) for name in old if name not in new]
    for name, table in new.items():
        if name not in old:
            found.append(Change(name, "the table is new", is_breaking=False))
        else:
            found += _changes_of_table(name, old[name], table)
    return found


def _changes_of_table(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before = {column["name"]: column for column in old["columns"]}
    after = {column["name"]: column for column in new["columns"]}
    if old["key"] != new["key"]:
        told = f"the key is ({', '.join(new['key'])}) instead of ({', '.join(old['key'])})"
        yield Change(name, told, is_breaking=True)
    for column in before:
        if column not in after:
            yield Change(f"{name}.{column}", "the column is gone", is_breaking=True)
    for column, now in after.items():
        was = before.get(column)
        if was is None:
            told = "the column is new" + ("" if now["nullable"] else " and not nullable")
            yield Change(f"{name}.{column}", told, is_breaking=not now["nullable"])
            continue
        if was["type"] != now["type"]:
            yield Change(f"{name}.{column}", f"the type is {now['type']} instead of {was['type']}", is_breaking=True)
        if was["nullable"] != now["nullable"]:
            told = "nullable, which it was not" if now["nullable"] else "not nullable any more"
            yield Change(f"{name}.{column}", told, is_breaking=True)
    if [c for c in before if c in after] != [c for c in after if c in before]:
        yield Change(name, "the columns are in another order", is_breaking=True)


def least_version(old: Version, found: Sequence[Change]) -> Version:
    """The least version that the changes of `old` may have."""
    if any(change.is_breaking for change in found):
        return Version(old.major + 1, 0)
    return Version(old.major, old.minor + 1) if found else old


def require_version(committed: Mapping[str, Any], version: str, tables: Mapping[str, Any]) -> None:
    """Refuse schemas whose version does not say what has changed since the committed ones.

    Args:
        committed: what `docs/schemas.json` holds: `{"version": ..., "tables": ...}`.
        version: of the schemas now.
        tables: the schemas now, as `described` has them.

    Raises:
        ConfigError: the version is too low; the message names tables and columns.
    """
    old, now = Version.parse(committed["version"]), Version.parse(version)
    found = changes(committed["tables"], tables)
    least = least_version(old, found)
    if now < least:
        breaking = [change for change in found if change.is_breaking]
        told = "; ".join(f"{change.where}: {change.what}" for change in breaking or found)
        raise ConfigError(
            "SCHEMA_VERSION",
            expected=f"{least} or higher, after {old}" + (f", since {told}" if told else ""),
            found=version,
            hint="a nullable column or a table may join in a minor version; whatever else changes is a major one",
        )
