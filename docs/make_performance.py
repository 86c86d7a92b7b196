"""Writes docs/performance.md from what the benchmarks found: `.venv/bin/python docs/make_performance.py`.

`make bench` measures first (`benchmarks/kernels.py`, `benchmarks/scoring_job.py`) and then runs this.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

INTRODUCTION = """\
# Performance

Written by `make bench` from what it measured (`docs/kernels.json`, `docs/scoring_job.json`); do not edit by hand. Every
figure is a median over rounds in which all contenders take turns; *x* says how many times longer the other one takes.
All of ours give the same rows, those of `score32` ([architecture.md](architecture.md)).
"""

KERNELS = """\
## Kernels, one core

Lists of ten for the first {users:,} users, out of {items:,} items, in million pairs a second: models trained for one
epoch on generated ratings in MovieLens 20M's shape, and models of random numbers, which no bound likes. *Ours* does all
the work but the coding of the items, which stands under *set-up*, and leaves out the seen items; *plain* scores every
pair, with the same result. sgemm, Keras and the numba loop only score: they make no list and leave nothing out;
implicit and faiss, from the extra `bench`, make lists, but leave nothing out.

Machine: {machine}.
"""

JOB = """\
## The job, all cores of a local Spark

{pairs:,} pairs, from a model to lists in Parquet, audit and publishing apart; seconds of the first round in a session
(workers start, kernels are compiled or read from their cache) and the median of the warm ones.
"""

DEEP = """\
One hidden layer of 1,024 units, likewise. `predict_batch_udf` runs the Keras network; for all users it would take
{extrapolated:,.0f} s, extrapolated from what more users take, without its start: **{ratio:,.0f} x** ours.
"""


def main() -> None:
    """Write the page; a part that was not measured is left out."""
    parts = [INTRODUCTION]
    kernels, job = (read(HERE / name) for name in ("kernels.json", "scoring_job.json"))
    if kernels:
        first = next(iter(kernels["cases"].values()))
        parts.append(KERNELS.format(users=first["users"], items=first["items"], machine=kernels["machine"]))
        parts += [kernel_table(name, case) for name, case in kernels["cases"].items()]
    if job:
        parts += [JOB.format(pairs=job["pairs"]), job_table(job)]
        deep = job.get("deep")
        if deep:
            parts.append(DEEP.format(extrapolated=deep["predict_batch_udf, extrapolated"], ratio=deep["ratio"]))
            parts.append(job_table(deep))
    (HERE / "performance.md").write_text("\n".join(parts), encoding="utf-8")


def read(file: Path) -> dict[str, Any]:
    """What a benchmark found; nothing if it has not run."""
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def kernel_table(name: str, case: dict[str, Any]) -> str:
    """One model."""
    rates = {who: rate for who, rate in case.items() if who not in ("users", "items", "set-up, seconds")}
    rows = [f"| {who} | {rate / 1e6:,.2f} | {rates['ours'] / rate:,.2f} x |" for who, rate in rates.items()]
    head = f"### {name}\n\nSet-up of ours: {case['set-up, seconds']:.2f} s.\n"
    return "\n".join([head, "| who | M pairs/s | ours is faster by |", "| --- | ---: | ---: |", *rows, ""])


def job_table(job: dict[str, Any]) -> str:
    """Contenders of a job."""
    who = {name: seconds for name, seconds in job.items() if isinstance(seconds, dict) and "warm" in seconds}
    ours = who["ours"]["warm"]
    # a peer that scores some users only has no ratio
    ratios = {n: "" if n.endswith(" users") else f"{s['warm'] / ours:.2f} x" for n, s in who.items()}
    rows = [f"| {n} | {s['first']:.1f} | {s['warm']:.1f} | {ratios[n]} |" for n, s in who.items()]
    return "\n".join(["| who | first, s | warm, s | of ours |", "| --- | ---: | ---: | ---: |", *rows, ""])


if __name__ == "__main__":
    main()
