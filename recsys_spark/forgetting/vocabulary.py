"""Ids taken out of the vocabulary of users. Their indices stay taken: no other user ever gets one.

What an index without an id has in a model is a vector of nobody; so which vectors are to be erased can be told at any
time from the vocabulary alone. The digests of its additions stay as they were recorded: they name what the indices of
all the others mean, which has not changed, and artefacts refer to them.
"""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq

from recsys_spark.forgetting.parquet import Removed, naming, parquet_below, take_out
from recsys_spark.ingest.encoding import Vocabulary
from recsys_spark.ingest.forgotten import Forgotten
from recsys_spark.kernels.arrays import Flags
from recsys_spark.storage import Folder

TABLE = "vocabulary"


def take_out_ids(state: Folder, forgotten: Forgotten) -> tuple[Removed, set[str]]:
    """Take the ids out of every file of the vocabulary, also of those that a failed night has left.

    Returns:
        What has been removed, and the hashes of whom: more rows than hashes, where ids differ by blanks alone.
    """
    removed, found = Removed(), set[str]()
    judge = naming(forgotten, "id", found)
    files, _ = state.arrow
    for path in parquet_below(state / "users"):
        rows = take_out(files, path, judge)
        if rows:
            removed.count(TABLE, rows)
    return removed, found


def without_id(users: Vocabulary, state: Folder) -> Flags:
    """Which indices have no id anymore: bool[n], on the driver a byte for each user."""
    gone = np.ones(users.size, np.bool_)
    for addition in users.additions:
        folder = state / addition.folder
        files, _ = folder.arrow
        for path in folder.parquet_files():
            gone[pq.read_table(path, columns=["index"], filesystem=files, partitioning=None)["index"].to_numpy()] = (
                False
            )
    return gone
