"""What every sink promises: each call changes one table atomically, and `publish` is when a run becomes visible."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from pyspark.sql import DataFrame

from recsys_spark.schemas import METRICS, TOP_N_HISTORY, USER_OUTCOMES, TableSchema

PARTS_OF_RUNS = (TOP_N_HISTORY, USER_OUTCOMES, METRICS)
"""The tables in which each run has rows of its own."""


class Place(NamedTuple):
    """Where the files lie that a reader of a table sees now."""

    location: str
    by_run: bool
    """Whether they lie in a folder for each run, which tells their column `run_id`."""


class Sink(Protocol):
    """Writes the published tables. A call that fails leaves its table as it was."""

    def read(self, table: TableSchema) -> DataFrame | None:
        """What a reader of the table sees now; none if it has never been written."""

    def location(self, table: TableSchema) -> str:
        """Where a reader finds the table."""

    def place(self, table: TableSchema) -> Place | None:
        """Where the files of the table lie that a reader sees now; none if it has never been written."""

    def columns(self, table: TableSchema) -> dict[str, str] | None:
        """Name and type, in Spark's words, of the columns that the table has now; none if there is no such table."""

    def replace(self, table: TableSchema, rows: DataFrame) -> None:
        """Make `rows` the table's whole content, visible at once or with the next `publish`."""

    def add_run(self, table: TableSchema, rows: DataFrame, *, run_id: str, keep: int) -> None:
        """Add the rows of one run to a table with a part for each run, and drop all but the newest `keep` runs.

        The visible run is never dropped: of back-fills there may be many.
        """

    def append(self, table: TableSchema, rows: DataFrame, *, run_id: str | None = None) -> None:
        """Add the rows of one run: of the one that writes, if no other is named."""

    def publish(self, table: TableSchema, rows: DataFrame) -> None:
        """Replace the content of the table that readers wait for. This makes the run visible; nothing before did."""

    def publish_again(self, table: TableSchema, rows: DataFrame, *, run_id: str) -> None:
        """Make an earlier run the visible one, in one commit; no other table changes.

        Args:
            table: that readers wait for.
            rows: of the earlier run.
            run_id: of the earlier run.
        """

    def publish_alone(self, table: TableSchema, rows: DataFrame) -> None:
        """Replace the content of a table that belongs to no night; visible at once, and no other table changes."""

    def visible_run(self) -> str | None:
        """The run whose lists readers see; none before the first one."""

    def discard_run(self, run_id: str) -> None:
        """Remove what a run has added that was never made visible; what it has replaced stays replaced."""

    def forget_old(self, keep: int) -> None:
        """Remove what no reader needs any more of all but the newest `keep` runs."""
