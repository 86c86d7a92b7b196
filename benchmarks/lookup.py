"""The command `recsys` as a process, on an output of a million rows, in both layouts.

    ./.venv/bin/python benchmarks/lookup.py [--users 100000] [--items 10000] [--rounds 5] [--out FILE]

Every user has a list of ten and, on average, ten ratings, sorted by user as nights leave them; two runs are in the
history, and the model is a dot product of 64 columns. Each command is started anew in each round, in turns; a first
round, in which files come into the system's cache, is not counted. Told are the medians of wall seconds and of
processor seconds, which a busy machine lengthens less. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

import numpy as np  # noqa: E402 - after the path is set
import pyarrow as pa  # noqa: E402

from benchmarks.written_tables import WrittenTables  # noqa: E402
from recsys_spark import artifact, schemas  # noqa: E402
from recsys_spark.artifact import Artefact  # noqa: E402
from recsys_spark.kernels.scorer import PairScorer  # noqa: E402
from recsys_spark.manifest import Description  # noqa: E402
from recsys_spark.schemas import PinnedIds, TableSchema  # noqa: E402

RUNS = ("20260101T010000-aaaaaa", "20260102T010000-bbbbbb")
IDS = PinnedIds(user="long", item="long")
LIST, FILES = 10, 8
WORDS = ("night", "river", "house", "winter", "garden", "letter", "summer", "island", "mirror", "stone", "road", "king")


def main() -> None:
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    figures: dict[str, Any] = {"users": given.users, "items": given.items, "rows": given.users * LIST, "layouts": {}}
    with tempfile.TemporaryDirectory() as folder:
        for layout in ("delta", "parquet"):
            output = Path(folder) / layout
            write_output(output, layout, n_users=given.users, n_items=given.items)
            figures["layouts"][layout] = measured(output, n_users=given.users, rounds=given.rounds)
    text = json.dumps(figures)
    if given.out is not None:
        given.out.write_text(text + "\n")
    print(text)


def measured(output: Path, *, n_users: int, rounds: int) -> dict[str, dict[str, float]]:
    """For each command the medians of its seconds."""
    title = title_of(np.arange(8))[7]
    commands = {
        "show user": ["show", "user", str(n_users // 2)],
        "show item, by title": ["show", "item", title],
        "show item, by nearly its title": ["show", "item", title.replace("e", "é", 1).lower() + "s"],
        "similar": ["similar", "8"],
        "similar, two items": ["similar", "8", "9"],
        "runs": ["runs"],
        "diff": ["diff", *RUNS],
    }
    wall: dict[str, list[float]] = {name: [] for name in commands}
    processor: dict[str, list[float]] = {name: [] for name in commands}
    for at in range(rounds + 1):
        for name, arguments in commands.items():
            seconds = seconds_of([*arguments, "--output", str(output)])
            if at:
                wall[name].append(seconds[0])
                processor[name].append(seconds[1])
    return {
        name: {"wall": statistics.median(wall[name]), "processor": statistics.median(processor[name])}
        for name in commands
    }


def seconds_of(arguments: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of one command."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "recsys_spark", *arguments]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"recsys {' '.join(arguments)}: {done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_output(output: Path, layout: str, *, n_users: int, n_items: int) -> None:
    """Two nights of a model whose lists are drawn."""
    random = np.random.default_rng(0)
    scorer = PairScorer(
        user=random.normal(size=(n_users, 64)).astype(np.float32),
        item=random.normal(size=(n_items, 64)).astype(np.float32),
    )
    stored = artifact.save(output / "models", Artefact(Description(model="dot"), {"published": {"main": scorer}}))
    tables = WrittenTables(output, layout, IDS, files=FILES)
    for at, run_id in enumerate(RUNS):
        signed = {"run_id": run_id, "model_id": stored.name, "as_of": date(2026, 1, 1 + at)}
        lists = list_rows(random, n_users, n_items, signed)
        whole = {schemas.ITEMS: item_rows(n_items), schemas.USERS: user_rows(n_users), schemas.TOP_N: lists}
        for table, rows in (whole | {schemas.RATINGS: rating_rows(random, n_users, n_items)}).items():
            tables.replace(table, rows, run_id)
        for table, rows in parts_of_run(lists, n_users, signed):
            tables.add_run(table, rows, run_id)
        tables.point(run_id)


def parts_of_run(lists: pa.Table, n_users: int, signed: dict[str, Any]) -> Iterator[tuple[TableSchema, Any]]:
    """The tables in which each run has a part."""
    yield schemas.TOP_N_HISTORY, lists
    dated = {name: signed[name] for name in ("run_id", "as_of")}
    outcomes = {"user_id": np.arange(1, n_users + 1), "outcome": "ok", "n_items": LIST, "reason": "model", **dated}
    yield schemas.USER_OUTCOMES, table_of(schemas.USER_OUTCOMES, outcomes, n_users)
    made = {"scorer": "main", "strategy": "random", "protocol": "full", "split": "test"}
    of_model = {name: signed[name] for name in ("run_id", "model_id")}
    yield schemas.METRICS, [{**of_model, **made, "metric": "mse", "value": 1.0}]
    now = datetime(2026, 1, 1, 3, tzinfo=UTC)
    entry = {"job": "nightly", "status": "published", "config_hash": "c", "code_version": "0", "fingerprint": "f"}
    spent = {"counts": [("users", n_users)], "seconds": [("score", 60.0)], "started_at": now, "finished_at": now}
    yield schemas.RUNS, [{**signed, **entry, **spent}]


def list_rows(random: np.random.Generator, n_users: int, n_items: int, signed: dict[str, Any]) -> pa.Table:
    """Ten different items for each user, the popular ones more often."""
    start = (random.random(n_users) ** 2 * n_items).astype(np.int64)
    items = (start[:, None] + np.arange(LIST) * 7) % n_items + 1
    columns = {
        "user_id": np.repeat(np.arange(1, n_users + 1), LIST),
        "rank": np.tile(np.arange(1, LIST + 1), n_users),
        "item_id": items.ravel(),
        "score": np.sort(random.random((n_users, LIST)).astype(np.float32) * 5)[:, ::-1].ravel(),
        "reason": "model",
        "generated_at": datetime(2026, 1, 1, 3, tzinfo=UTC),
        **signed,
    }
    return table_of(schemas.TOP_N, columns, n_users * LIST)


def rating_rows(random: np.random.Generator, n_users: int, n_items: int) -> pa.Table:
    """Ten ratings a user, on average; sorted by user."""
    n = n_users * LIST
    pairs = np.unique(random.integers(0, n_users * n_items, n))
    users, items = pairs // n_items, pairs % n_items
    columns = {
        "user_id": users + 1,
        "item_id": items + 1,
        "user_index": users,
        "item_index": items,
        "rating": random.integers(1, 6, len(pairs)).astype(np.float32),
        "timestamp": pa.array(random.integers(0, 10**15, len(pairs)), pa.int64()).cast(schemas.TIME),
        "part": "train",
    }
    return table_of(schemas.RATINGS, columns, len(pairs))


def item_rows(n_items: int) -> pa.Table:
    """Items with titles."""
    numbers = np.arange(n_items)
    about = {"first_seen_run": RUNS[0], "n_ratings": 10, "in_source": True}
    columns = {"item_id": numbers + 1, "item_index": numbers, "title": title_of(numbers), **about}
    return table_of(schemas.ITEMS, columns, n_items)


def user_rows(n_users: int) -> pa.Table:
    """Users without attributes."""
    about = {"first_seen_run": RUNS[0], "n_ratings": 10, "in_source": True}
    return table_of(
        schemas.USERS, {"user_id": np.arange(1, n_users + 1), "user_index": np.arange(n_users), **about}, n_users
    )


def title_of(numbers: Any) -> list[str]:
    """The title of each item: a few words, one of them its own."""
    n = len(WORDS)

    def own(number: int) -> str:
        return "".join(chr(97 + int(letter)) for letter in np.random.default_rng(number).integers(0, 26, 9))

    return [f"The {WORDS[i % n]} of the {WORDS[i // n % n]} {own(int(i))}".title() for i in numbers]


def table_of(schema: TableSchema, columns: dict[str, Any], n: int) -> pa.Table:
    """Rows of a table from columns and single values; nulls where neither is given."""
    arrays = []
    for field in schema.arrow(IDS):
        value = columns.get(field.name)
        if isinstance(value, np.ndarray | list | pa.Array):
            arrays.append(pa.array(value).cast(field.type))
        else:
            arrays.append(pa.repeat(pa.scalar(value, field.type), n))
    return pa.table(arrays, schema=schema.arrow(IDS))


if __name__ == "__main__":
    main()
