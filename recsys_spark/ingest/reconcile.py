"""The books of an ingest: rows in = rows accepted + rows quarantined, always."""

from __future__ import annotations

import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from recsys_spark.errors import DataError
from recsys_spark.ingest.quality import DEFECTS
from recsys_spark.ingest.settings import QualitySettings
from recsys_spark.staged import read_staged
from recsys_spark.storage import Folder


def reconcile(
    spark: SparkSession, folder: Folder, ratings_read: int, rules: QualitySettings
) -> tuple[dict[str, int], dict[str, int]]:
    """Hold the books: every row read is accepted or quarantined. The driver collects one row for each reason.

    Args:
        spark: the session.
        folder: of the ingest.
        ratings_read: counted while the source was read.
        rules: the share of defects that is bearable, and the policy for duplicates.

    Returns:
        Counts, and quarantined rows by reason: the driver collects one row for each reason.

    Raises:
        DataError: the books do not balance, too many rows are defect, or duplicates are refused.
    """
    accepted = stored_rows(folder / "ratings")
    by_reason = {
        r["reason"]: r["count"] for r in read_staged(spark, folder / "quarantine").groupBy("reason").count().collect()
    }
    quarantined = sum(by_reason.values())
    if ratings_read != accepted + quarantined:
        found = f"{ratings_read:,} read, {accepted:,} accepted, {quarantined:,} quarantined"
        raise DataError(
            "ratings", expected="read = accepted + quarantined", found=found, hint="did the source change meanwhile?"
        )
    if rules.duplicates == "error" and by_reason.get("duplicate"):
        raise DataError(
            "quality.duplicates",
            expected="one rating for each user and item",
            found=f"{by_reason['duplicate']:,} further ones",
            hint=f"they are in {folder / 'quarantine'}; latest, mean and first resolve them",
        )
    check_quarantined_share(by_reason, ratings_read, rules, folder)
    counts = {"ratings_read": ratings_read, "ratings_accepted": accepted, "ratings_quarantined": quarantined}
    return counts, dict(sorted(by_reason.items()))


def check_quarantined_share(
    by_reason: dict[str, int], ratings_read: int, rules: QualitySettings, folder: Folder
) -> None:
    """Stop if too many rows cannot be read.

    Raises:
        DataError: the share of defects is above `quality.max_quarantined_share`.
    """
    defects = {reason: n for reason, n in by_reason.items() if reason in DEFECTS}
    share = sum(defects.values()) / ratings_read
    if share > rules.max_quarantined_share:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in sorted(defects.items(), key=lambda x: -x[1]))
        raise DataError(
            "quality.max_quarantined_share",
            expected=f"at most {rules.max_quarantined_share:.1%} of the rows defect",
            found=f"{share:.1%} of {ratings_read:,} ({reasons})",
            hint=f"the rows are in {folder / 'quarantine'}; are separator, header and columns those of the file?",
        )


def stored_rows(folder: Folder) -> int:
    """How many rows a Parquet data set has, by its footers: one for each file."""
    files, _ = folder.arrow
    return sum(pq.read_metadata(file, filesystem=files).num_rows for file in folder.parquet_files())
