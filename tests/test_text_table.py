"""Columns of text."""

from __future__ import annotations

from recsys_spark.text_table import TextColumn, text_table

COLUMNS = (TextColumn("run"), TextColumn("rows", "right"), TextColumn("model"))


def test_columns_are_as_wide_as_their_widest_text_and_aligned_as_they_say() -> None:
    table = text_table(COLUMNS, [["first", "12,345", "dot"], ["x", "3", ""]])

    assert table.splitlines() == [
        "run      rows  model",
        "-----  ------  -----",
        "first  12,345  dot",
        "x           3",
    ]


def test_notes_stand_below_their_rows_and_are_cut_to_the_width() -> None:
    rows = [["a", "1", "dot"], ["b", "2", "mlp"]]

    assert text_table(COLUMNS, rows, ["", "why it failed"]).splitlines()[2:] == [
        "a       1  dot",
        "b       2  mlp",
        "     why it failed",
    ]
    assert text_table(COLUMNS, rows, ["", "why it failed"], width=12).splitlines()[-1] == "     why ..."


def test_without_rows_there_are_the_heads_alone() -> None:
    assert text_table(COLUMNS, []).splitlines() == ["run  rows  model", "---  ----  -----"]
