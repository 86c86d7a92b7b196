"""The job `forget` through the launcher, on Delta tables of a real night."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from recsys_spark import artifact
from tests.end_to_end.runs import Finished, submit

USER, OTHERS = 3, set(range(30)) - {3}


def user_ids(output: Path) -> Iterator[tuple[str, list[Any]]]:
    """Every Parquet file that has ids of users, also those that no table refers to, and its ids and statistics."""
    for file in output.rglob("*.parquet"):
        with pq.ParquetFile(file) as parquet:
            column = "id" if "users" in file.parts and "state" in file.parts else "user_id"
            if column in parquet.schema_arrow.names:
                place = parquet.schema_arrow.names.index(column)
                groups = [parquet.metadata.row_group(i) for i in range(parquet.metadata.num_row_groups)]
                bounds = [group.column(place).statistics for group in groups if group.num_rows]
                values = parquet.read([column]).column(column).to_pylist()
                yield str(file.relative_to(output)), values + [x for s in bounds for x in (s.min, s.max)]


@pytest.mark.slow
def test_a_user_is_gone_from_tables_history_vocabulary_and_models(sample: Finished, tmp_path: Path) -> None:
    output = tmp_path / "output"
    shutil.copytree(sample.output, output, symlinks=True)
    (tmp_path / "ids.txt").write_text(f"{USER}\n4711\n")
    before = sample.table("ratings")
    index = int(before[before.user_id == USER].user_index.iloc[0])
    found = {file.split("/")[0] for file, ids in user_ids(output) if USER in ids}
    assert found >= {"top_n", "top_n_history", "user_outcomes", "users", "ratings", "state"}

    # the job needs no source
    common = ("--master", "local[2]", "forget", "--set", "source.path=gone.csv")
    done = submit(*common, "--users", str(tmp_path / "ids.txt"), cwd=tmp_path, output=output)

    assert done.code == 0, done.errors[-3000:]
    counts = done.summary["counts"]
    assert (done.summary["status"], counts["users_forgotten"], counts["users_unknown"]) == ("done", 2, 1)
    assert (counts["rows_removed_top_n"], counts["models_changed"]) == (10, 1)
    assert [file for file, ids in user_ids(output) if USER in ids] == []
    for table in ("top_n", "users", "ratings", "user_outcomes", "top_n_history"):
        assert set(done.table(table).user_id) == OTHERS
    assert counts["rows_removed_ratings"] == len(before) - len(done.table("ratings"))
    model = artifact.load(output / "models" / str(sample.summary["model_id"]))["main"]
    assert not model.user[index].any()
    assert len(model.user) == len(OTHERS) + 1
