"""Writes docs/performance.md from what the benchmarks found: `.venv/bin/python docs/make_performance.py`.

`make bench` measures first (`benchmarks/kernels.py`, `sizes.py`, `growth.py`, `roofline.py`, `scoring_job.py`) and then
runs this. Pictures need matplotlib, of the extra `bench`; without it those that are there stay.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PICTURES = HERE / "performance"
sys.path.insert(0, str(HERE.parent))

INTRODUCTION = """\
# Performance

Written by `make bench` from what it measured (`docs/kernels.json`, `sizes.json`, `growth.json`, `roofline.json`,
`scoring_job.json`); do not edit by hand. Every figure is a median over rounds in which all contenders take turns; *x*
says how many times longer the other one takes. All of ours give the same rows, those of `score32`
([architecture.md](architecture.md)). What a job of another size costs stands in [scale.md](scale.md).
"""

RATIOS = """\
![How many times as long as ours each peer takes](performance/ratios.svg)

Each row is a model of the next two sections. Left of the line stands who is faster than ours.
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

SIZES = """\
## Models of real ratings, one core

All users of public data sets, with models that were trained on them for {epochs} epochs; otherwise as above. On small
sets there is little that a bound can leave out, and what each user costs weighs more.
"""

GROWTH = """\
## Growth, one core

From a base point of 20,000 users, 26,744 items, k = 64, lists of ten and 100 seen items one thing is varied at a time.
Vectors and weights are Gaussian random numbers: the worst case, since no bound likes them and no item stands out.
Time of a pair, but for *users*: there it is the time of all. `auto` takes *plain* below 256 items only.
"""

GROWTH_SIZES = """\
![Time over users, items, columns and hidden units](performance/growth_sizes.svg)

More items make a pair cheaper for two reasons: what each user costs is spread, and the N-th score rises, so that a
smaller share of pairs is left to be scored exactly. One layer of 1,024 units ends at 100,000 items: with more than 128
MB its codes are made anew for each call.
{overtaken}
"""

GROWTH_LISTS = """\
![Time over entries, seen items, lists and segments](performance/growth_lists.svg)

The more entries, the lower the score that a bound has to stay below. With segments, pairs that are not eligible count
as pairs here. Several lists of a user come out of one pass: the first of all items, each other one of a part of them.
{overtaken}
"""

ROOFLINE = """\
## How near to the hardware, one core

Peaks are measured, too: those of 8-bit products with the kernels' own tiles on operands that stay in the first-level
cache, that of float32 with a product of two 2,048 x 2,048 matrices, the slope with {bandwidth:.1f} GB/s from memory.
Models of random numbers, as under *Growth*. What is missing to a peak went into coding users, thresholds, what a bound
could not decide, and lists.
"""

ROOFLINE_PICTURE = """\
![Multiply-adds a second over multiply-adds for each byte moved](performance/roofline.svg)
"""

JOB = """\
## The job, all cores of a local Spark

{pairs:,} pairs, from a model to lists in Parquet, audit and publishing apart; seconds of the first round in a session
(workers start, kernels are compiled or read from their cache) and the median of the warm ones.
"""

LARGE_JOB = """\
{pairs:,} pairs, {users:,} users x {items:,} items, once, in a new session (`docs/scoring_job_large.json`):
"""

DEEP = """\
One hidden layer of 1,024 units, likewise. `predict_batch_udf` runs the Keras network; for all users it would take
{extrapolated:,.0f} s, extrapolated from what more users take, without its start: **{ratio:,.0f} x** ours.
"""


NO_RATES = ("users", "items", "set-up, seconds", "seconds")


def main() -> None:
    """Write the page; a part that was not measured is left out."""
    names = ("kernels", "sizes", "growth", "roofline", "scoring_job")
    kernels, sizes, growth, roofline, job = found = [read(HERE / f"{name}.json") for name in names]
    draw(dict(zip(names, found, strict=True)))
    parts = [INTRODUCTION, *shown("ratios.svg", RATIOS)]
    if kernels:
        first = next(iter(kernels["cases"].values()))
        parts.append(KERNELS.format(users=first["users"], items=first["items"], machine=kernels["machine"]))
        parts += [kernel_table(name, case) for name, case in kernels["cases"].items()]
    if sizes:
        parts += [SIZES.format(epochs=sizes["epochs"]), *remark(sizes)]
        parts += [
            kernel_table(f"{name}: {case['users']:,} x {case['items']:,}", case)
            for name, case in sizes["cases"].items()
        ]
    if growth:
        parts += [GROWTH, *remark(growth)]
        parts += shown("growth_sizes.svg", GROWTH_SIZES.format(overtaken=overtaken(growth, "items", "items")))
        parts += shown("growth_lists.svg", GROWTH_LISTS.format(overtaken=overtaken(growth, "n", "entries")))
    if roofline:
        parts += [ROOFLINE.format(bandwidth=roofline["bandwidth"] / 1e9), *shown("roofline.svg", ROOFLINE_PICTURE)]
        parts += [*remark(roofline), roofline_table(roofline)]
    if job:
        parts += [JOB.format(pairs=job["pairs"]), job_table(job)]
        deep = job.get("deep")
        if deep:
            parts.append(DEEP.format(extrapolated=deep["predict_batch_udf, extrapolated"], ratio=deep["ratio"]))
            parts.append(job_table(deep))
    large = read(HERE / "scoring_job_large.json")
    if large:
        parts += [LARGE_JOB.format(**large), job_table(large)]
    (HERE / "performance.md").write_text("\n".join(parts), encoding="utf-8")


def remark(found: dict[str, Any]) -> list[str]:
    """What a reader of these figures must know, if anything."""
    return [f"*{found['remark']}*\n"] if "remark" in found else []


def read(file: Path) -> dict[str, Any]:
    """What a benchmark found; nothing if it has not run."""
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def draw(figures: dict[str, dict[str, Any]]) -> None:
    """Draw the pictures, if there is what draws them."""
    try:
        from docs import pictures
    except ImportError as error:
        print(f"NOT DRAWN: {error}: ./spark-submit.sh --setup dev,bench installs it", file=sys.stderr)
        return
    pictures.draw(PICTURES, figures)


def shown(picture: str, text: str) -> list[str]:
    """What is told with a picture, if there is one."""
    return [text] if (PICTURES / picture).exists() else []


def overtaken(growth: dict[str, Any], axis: str, of_what: str) -> str:
    """A sentence on where somebody is faster than our kernel for dot products, if anywhere."""
    contenders = growth["axes"].get(axis, {})
    times = {who: {r["at"]: r["seconds"] / r["users"] for r in rows} for who, rows in contenders.items()}
    faster = []
    for who, name in (("dot, plain", "our plain kernel"), ("implicit", "implicit")):
        at = [x for x, time in times.get(who, {}).items() if time < times["dot"][x]]
        if at:
            faster.append(f"{name} with {', '.join(f'{x:,}' for x in at)} {of_what}")
    return f"Faster than our screening of dot products are {' and '.join(faster)}." if faster else ""


def roofline_table(found: dict[str, Any]) -> str:
    """Each kernel beside the peak of its instructions."""
    rows = []
    for name, one in found["kernels"].items():
        rate, peak = one["pairs"] * one["operations"] / 1e9, found["peaks"][one["kind"]] / 1e9
        work = f"{one['operations']:,} {one['kind']} | {one['bytes']:.2f}"
        rows.append(f"| {name} | {work} | {one['pairs'] / 1e6:,.1f} | {rate:,.1f} | {peak:,.1f} | {one['share']:.0%} |")
    head = "| kernel | work of a pair | bytes of a pair | M pairs/s | G a second | peak | share |"
    return "\n".join([head, "| --- | --- | ---: | ---: | ---: | ---: | ---: |", *rows, ""])


def kernel_table(name: str, case: dict[str, Any]) -> str:
    """One model."""
    rates = {who: rate for who, rate in case.items() if who not in NO_RATES}
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
