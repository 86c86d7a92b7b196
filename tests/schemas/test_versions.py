"""Which changes of the schemas a minor version may bring, and that the committed file is what the code declares."""

from __future__ import annotations

import copy
import json
import runpy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.errors import ConfigError
from recsys_spark.schemas import ALL_TABLES, SCHEMA_VERSION
from recsys_spark.schemas.versions import Described, Version, changes, described, least_version, require_version
from tests.conftest import PROJECT

COMMITTED = PROJECT / "docs" / "schemas.json"
OLD = Version(3, 4)
TYPES = ("string", "int32", "float", "id")


def committed() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(COMMITTED.read_text(encoding="utf-8"))
    return read


def columns(names: st.SearchStrategy[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    column = st.fixed_dictionaries({"name": names, "type": st.sampled_from(TYPES), "nullable": st.booleans()})
    return st.lists(column, min_size=1, max_size=5, unique_by=lambda c: str(c["name"]))


@st.composite
def schemas(draw: st.DrawFn) -> Described:
    """Some tables; a key is made of their own columns."""
    tables: Described = {}
    for name in draw(st.lists(st.sampled_from("uvw"), min_size=1, unique=True)):
        found = draw(columns(st.sampled_from("abcdef")))
        key = draw(st.lists(st.sampled_from([c["name"] for c in found]), unique=True))
        tables[name] = {"key": key, "columns": found}
    return tables


def added(draw: st.DrawFn, tables: Described, *, nullable: bool) -> str:
    table = draw(st.sampled_from(sorted(tables)))
    place = draw(st.integers(0, len(tables[table]["columns"])))
    new = {"name": "new", "type": draw(st.sampled_from(TYPES)), "nullable": nullable}
    tables[table]["columns"].insert(place, new)
    return f"{table}.new"


def broken(draw: st.DrawFn, tables: Described) -> str:
    """Change one thing that somebody may rely on; gives what the error has to name."""
    table = draw(st.sampled_from(sorted(tables)))
    found, key = tables[table]["columns"], tables[table]["key"]
    column = draw(st.sampled_from(found))
    kinds = ["gone", "renamed", "type", "nullable", "required", "key", "table"]
    match draw(st.sampled_from([*kinds, "order"] if len(found) > 1 else kinds)):
        case "gone":
            found.remove(column)
        case "renamed":
            old, column["name"] = column["name"], "other"
            return f"{table}.{old}"
        case "type":
            column["type"] += "_other"
        case "nullable":
            column["nullable"] = not column["nullable"]
        case "required":
            return added(draw, {table: tables[table]}, nullable=False)
        case "key":
            key.append("more")
            return table
        case "table":
            del tables[table]
            return table
        case "order":
            found.reverse()
            return table
    return f"{table}.{column['name']}"


class TestChanges:
    @given(st.data())
    def test_new_tables_and_nullable_columns_are_a_minor_version(self, data: st.DataObject) -> None:
        old = data.draw(schemas())
        new, draw = copy.deepcopy(old), data.draw
        names = {added(draw, new, nullable=True)}  # type: ignore[arg-type]
        if draw(st.booleans()):
            new["joined"] = {"key": [], "columns": []}
            names.add("joined")

        found = changes(old, new)

        assert {change.where for change in found} == names
        assert least_version(OLD, found) == Version(3, 5)

    @given(st.data())
    def test_whatever_else_changes_is_a_major_version_and_named(self, data: st.DataObject) -> None:
        old = data.draw(schemas())
        new = copy.deepcopy(old)
        name = broken(data.draw, new)  # type: ignore[arg-type]
        if new and data.draw(st.booleans()):
            added(data.draw, {"joined": new.setdefault("joined", {"key": [], "columns": []})}, nullable=True)  # type: ignore[arg-type]

        assert least_version(OLD, changes(old, new)) == Version(4, 0)
        for too_low in ("3.4", "3.5", "3.99"):
            with pytest.raises(ConfigError, match=rf"4\.0 or higher.*{name}: "):
                require_version({"version": str(OLD), "tables": old}, too_low, new)
        require_version({"version": str(OLD), "tables": old}, "4.0", new)

    @given(schemas())
    def test_without_a_change_any_version_but_an_earlier_one_will_do(self, tables: Described) -> None:
        before = {"version": str(OLD), "tables": tables}

        for version in ("3.4", "3.5", "4.0"):
            require_version(before, version, copy.deepcopy(tables))
        with pytest.raises(ConfigError, match=r"3\.4 or higher"):
            require_version(before, "3.3", tables)


@pytest.mark.parametrize("text", ["1", "1.0.0", "v1.0", "01.0", ""])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="SCHEMA_VERSION"):
        Version.parse(text)


def test_the_committed_file_is_what_the_code_declares() -> None:
    assert committed() == {"version": SCHEMA_VERSION, "tables": described(ALL_TABLES)}


def test_the_command_writes_the_committed_file_and_refuses_what_its_version_does_not_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command, before = str(PROJECT / "docs" / "make_schemas.py"), COMMITTED.read_text(encoding="utf-8")
    runpy.run_path(command, run_name="__main__")
    assert COMMITTED.read_text(encoding="utf-8") == before

    monkeypatch.setattr("recsys_spark.schemas.ALL_TABLES", ALL_TABLES[1:])
    with pytest.raises(ConfigError, match=r"top_n: the table is gone"):
        runpy.run_path(command, run_name="__main__")
    assert COMMITTED.read_text(encoding="utf-8") == before
