"""The pages that are made from the code are those of the code."""

from __future__ import annotations

import runpy

from tests.conftest import PROJECT


def test_the_table_reference_is_up_to_date() -> None:
    page = PROJECT / "docs" / "tables.md"
    before = page.read_text(encoding="utf-8")

    runpy.run_path(str(PROJECT / "docs" / "make_tables.py"), run_name="__main__")

    assert page.read_text(encoding="utf-8") == before, "docs/tables.md was out of date; it has been written anew"
