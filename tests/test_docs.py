"""The pages that are made from the code are those of the code."""

from __future__ import annotations

import runpy

import pytest

from tests.conftest import PROJECT


@pytest.mark.parametrize("name", ["audit", "poison", "tables"])
def test_a_reference_made_from_the_code_is_up_to_date(name: str) -> None:
    page = PROJECT / "docs" / f"{name}.md"
    before = page.read_text(encoding="utf-8")

    runpy.run_path(str(PROJECT / "docs" / f"make_{name}.py"), run_name="__main__")

    assert page.read_text(encoding="utf-8") == before, f"docs/{name}.md was out of date; it has been written anew"
