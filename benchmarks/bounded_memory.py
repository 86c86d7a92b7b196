"""What a whole night takes of memory as users grow, with one small driver and little room for results.

    ./.venv/bin/python benchmarks/bounded_memory.py [--users 8000 32000 128000] [--driver-memory 1g] [--out FILE]

Each night runs through `./spark-submit.sh nightly` on `local[2]`, with the same `--driver-memory` and
`spark.driver.maxResultSize=16m`, so that whatever is collected beyond that ends it. Ratings are generated in
MovieLens 20M's shape (`generated_ratings.py`), 144 a user, out of the same number of items. The peak of each kind of
process (`VmHWM`) is looked up ten times a second: the driver's JVM (which runs the tasks, too), its Python, the largest
Python worker. The driver's Python may grow by what `docs/architecture.md` allows: training rows and vectors. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.generated_ratings import generate

PROJECT = Path(__file__).resolve().parents[1]
RATINGS_A_USER = 144
KINDS = {
    "org.apache.spark.deploy.SparkSubmit": "driver JVM",
    "jobs/nightly.py": "driver Python",
    "pyspark": "Python worker",
}
"""What tells processes apart, by a part of their command line; the first that fits."""


def main() -> None:
    """Run a night of each size, and tell its peaks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=[8_000, 32_000, 128_000])
    parser.add_argument("--items", type=int, default=5_000)
    parser.add_argument("--driver-memory", default="1g")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    given = parser.parse_args()
    nights = []
    for n_users in given.users:
        with tempfile.TemporaryDirectory(prefix="bounded-") as place:
            night = measured(Path(place), n_users, given.items, given.driver_memory)
        nights.append(night)
        peaks = ", ".join(f"{kind} {mb:,.0f} MB" for kind, mb in night["peak_mb"].items())
        print(f"{n_users:>9,} users, {night['ratings']:>11,} ratings: {night['seconds']:.0f} s; {peaks}", flush=True)
    figures = {"driver_memory": given.driver_memory, "max_result_size": "16m", "items": given.items, "nights": nights}
    if given.out is not None:
        given.out.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures))


def measured(folder: Path, n_users: int, n_items: int, driver_memory: str) -> dict[str, Any]:
    """One night: its time and the peak of each kind of process, in MB.

    Raises:
        RuntimeError: it was not published.
    """
    made = generate(n_users * RATINGS_A_USER, n_users=n_users, n_items=n_items, seed=0)
    ratings = folder / "ratings.parquet"
    columns = {"user": pa.array(made.user).cast(pa.string()), "item": pa.array(made.item).cast(pa.string())}
    pq.write_table(pa.table({**columns, "rating": pa.array(made.rating).cast(pa.string())}), ratings)
    settings = [
        *(f"source.path={ratings}", "source.format=parquet", "quality.rating_range=null"),
        "source.columns={user: user, item: item, rating: rating, timestamp: null}",
        *("model={name: dot, embedding_size: 32}", "training.epochs=1", "training.batch_size=8192"),
        *("training.refit=false", "evaluation.bootstrap=0", f"output.path={folder}/output"),
    ]
    command = [str(PROJECT / "spark-submit.sh"), "--master", "local[2]", "--driver-memory", driver_memory]
    command += ["--conf", "spark.driver.maxResultSize=16m", "nightly"]
    for setting in settings:
        command += ["--set", setting]
    began, peaks = time.monotonic(), dict[str, float]()
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)
        while process.poll() is None:
            look(process.pid, peaks)
            time.sleep(0.1)
    assert process.stdout is not None
    summary = json.loads(process.stdout.read().splitlines()[-1])
    process.stdout.close()
    if summary["status"] != "published":
        raise RuntimeError(f"{summary['error']}\n{(folder / 'stderr').read_text()[-2000:]}")
    return {
        "users": n_users,
        "ratings": summary["counts"]["ratings_read"],
        "seconds": round(time.monotonic() - began, 1),
        "peak_mb": {kind: round(peaks[kind]) for kind in dict.fromkeys(KINDS.values()) if kind in peaks},
    }


def look(session: int, peaks: dict[str, float]) -> None:
    """Raise the peaks, in MB, of each kind of process of a session to what they are now."""
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        with suppress(OSError, ValueError, StopIteration):
            if os.getsid(int(place.name)) != session:
                continue
            command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            kind = next((kind for part, kind in KINDS.items() if part in command), None)
            high = next(line for line in (place / "status").read_text().splitlines() if line.startswith("VmHWM"))
            if kind is not None:
                peaks[kind] = max(peaks.get(kind, 0.0), int(high.split()[1]) * 1024 / 1e6)


if __name__ == "__main__":
    main()
