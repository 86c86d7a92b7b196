"""A source that breaks while Spark reads it: whatever Spark has logged, the last word is ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.runs import Finished, submit
from tests.ingest.poison import CORPUS


@pytest.fixture(scope="module")
def cut_short(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder: Path = tmp_path_factory.mktemp("poison")
    (poison,) = (one for one in CORPUS if one.name == "gzip cut short, further down")
    columns = ("source={header: false, separator: ','}", f"source.path={poison.write(folder / 'source')}")
    options = [x for setting in (*columns, "output.format=parquet") for x in ("--set", setting)]
    return submit("--master", "local[2]", "ingest", *options, cwd=folder, output=folder / "output")


def test_the_summary_says_what_is_wrong_with_the_file(cut_short: Finished) -> None:
    error = cut_short.summary["error"]

    assert (cut_short.code, cut_short.summary["status"]) == (3, "data_failed")
    assert "source.path: expected a gzip file that ends where it should" in error["message"]
    assert "cut short" in error["hint"]


def test_stderr_ends_with_the_same_words_and_holds_no_traceback_of_ours(cut_short: Finished) -> None:
    assert "Traceback" not in cut_short.errors
    end = cut_short.errors.strip().splitlines()[-4:]
    assert any("expected a gzip file that ends where it should" in line for line in end), end


def test_no_table_and_no_vocabulary_is_left(cut_short: Finished) -> None:
    left = {place.name for place in cut_short.output.iterdir()}

    assert left == {"_work", "state", "summaries"}
    # who held the output
    assert [place.name for place in (cut_short.output / "state").iterdir()] == ["lock"]
