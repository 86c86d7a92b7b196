"""What making the lists has taken."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow.compute as pc
import pyarrow.dataset as ds

from recsys_spark.storage import Folder


@dataclass(frozen=True)
class Work:
    """The work behind staged lists."""

    users: int = 0
    scored: int = 0
    """Pairs scored by `score32`; the others were left out by a bound."""

    users_by_kernel: dict[str, int] = field(default_factory=dict)

    @property
    def kernels(self) -> str:
        """For people."""
        return ", ".join(f"{name} {count:,}" for name, count in sorted(self.users_by_kernel.items())) or "none"


def work_of(lists: Folder) -> Work:
    """Add up what staged lists say of themselves, batch by batch, without Spark.

    Args:
        lists: a Parquet data set as `score_all_pairs` or `user_lists` gives it.
    """
    files, _ = lists.arrow
    users, scored, kernels = 0, 0, dict[str, int]()
    found = ds.dataset(lists.parquet_files(), format="parquet", filesystem=files)
    # what all lists of a user have taken is told with the first one
    first = pc.field("variant").is_null() if "variant" in found.schema.names else None
    for batch in found.to_batches(columns=["kernel", "pairs_scored"], filter=first):
        users += batch.num_rows
        scored += pc.sum(batch.column("pairs_scored")).as_py() or 0
        for count in pc.value_counts(batch.column("kernel")).to_pylist():
            kernels[count["values"]] = kernels.get(count["values"], 0) + count["counts"]
    return Work(users, scored, kernels)
