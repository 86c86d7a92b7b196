"""Writes docs/scale.md from what the benchmarks found: `.venv/bin/python docs/make_scale.py`.

`make bench` measures first (`benchmarks/job_sizes.py`, `growth.py`, `kernels.py`, `scoring_job.py`, `roofline.py`) and
then runs this. A page needs all of them; else nothing is written.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

HERE = Path(__file__).parent
NEEDED = ("job_sizes", "growth", "kernels", "scoring_job", "roofline")

USERS, ITEMS, ENTRIES = 8_000_000, 2_300_000, 10
"""Of Amazon's book ratings in the thread of Spark's pull request 18748, and of a list."""

ALS_HOURS, ALS_CORES = 9.16, 144
"""What `recommendForAllUsers` took there, on three workers of 48 cores."""

PRICE = 0.05
"""Of a core for an hour, in dollars: assumed."""

USERS_IN_A_CALL, USERS_OF_PARTS = 1024, 8192
"""So many at once where all items are coded, and where they are coded in parts, as `scoring/all_pairs.py` has them."""

CODED_AT_ONCE = 128 * 2**20
"""Bytes of codes of layers that a worker keeps; with more it codes the items anew for each call."""

BESIDE_CODES = 37
"""Bytes of an item besides its dot codes: scale and constant 8, order 16, candidates 12, a bit or so for blocks 1."""

WORKER = 285_000_000
"""Bytes of a worker with numpy, numba, pyarrow and the kernels' machine code, as `benchmarks/memory.py` sees it."""

SEEN_BITS = 10
"""Bytes of an item: one bit for each of the 80 users that go through the items together."""

INTRODUCTION = """\
# Scale

Written by `docs/make_scale.py` from what `make bench` measured; do not edit by hand. What a scoring job costs, as a
formula; how far the formula can be trusted; and what it says about a set that is far too large for the machine of the
measurements. How fast the kernels are stands in [performance.md](performance.md).
"""

MEASURED_MEMORY = """
Peaks of a real worker, which count the mapped pages that it has read (`benchmarks/memory.py`: vectors of random
numbers, 100 seen items a user, lists of ten):

| model | items | users | by the formula, MB | measured, MB |
| --- | ---: | ---: | ---: | ---: |
{lines}
"""

MODEL = """\
## A cost model

    seconds = a + (users x b + users x items x c + rows x d) / cores

*a* is what a job takes whatever it does, *b* a user (read with the seen items, coded, a list begun), *c* a pair, *d* a
row of the lists (found, scored exactly, written). Fitted by least squares on relative errors, none below zero, to the
warm scoring job on {runs} smaller sizes ({cores} cores, {machine}, k = {k}, factors of ALS, seen items left out):

| a, s | b, us | c, ns | d, us |
| ---: | ---: | ---: | ---: |
| {a:.2f} | {b:.2f} | {c:.3f} | {d:.2f} |

| users | items | N | measured, s | model, s | model / measured |
| ---: | ---: | ---: | ---: | ---: | ---: |
{fit}

A coefficient of 0 means that these sizes cannot tell it from the others, not that it costs nothing. Lists much longer
than 20 entries are outside of the formula: how they grow stands in [performance.md](performance.md).

**Other models.** *c* grows with k, and with the hidden units h of a layer, as the kernels' time of a pair does on
random vectors (`benchmarks/growth.py`, 26,744 items, lists of ten):

| dot, k | ns per pair | | one layer, h | ns per pair |
| ---: | ---: | --- | ---: | ---: |
{shapes}
"""

CHECK = """\
## Checked on 138,493 x 26,744

None of these sizes is part of the fit above. The largest of the fit has {largest:,} million pairs, this one
{pairs:,} million; {cores} cores.

| job | predicted, s | measured, s | predicted / measured |
| --- | ---: | ---: | ---: |
{checks}

{remark}
"""

LARGE = """\
## Extrapolated to 8 million users x 2.3 million items

Spark's own ALS took {hours} hours on {als_cores} cores for the recommendations of Amazon's book ratings, in the
[thread of pull request 18748](https://github.com/apache/spark/pull/18748) (2017, Spark 2.3 in the making). We have not
found the rank nor the length of the lists there; Spark's default rank is 10. Nothing below was run:
{users:,} x {items:,} is {pairs:.2g} pairs, {factor:,.0f} times the largest job that we have measured. Lists of ten,
{rows:,} rows, warm.

| model | ns per pair | core-hours | on {als_cores} cores | at {price} $ a core-hour |
| --- | ---: | ---: | ---: | ---: |
{rows_of_costs}

- *dot* has *c* of the fit, or the time of a pair with the most items on one core (`benchmarks/growth.py`) if that is
  more, scaled by k; *as random* the time of a pair of random vectors with 26,744 items instead.
- The layer has the rate of the trained one in [performance.md](performance.md), one core; *with its codes* adds what it
  takes to code the items: at 1,032 bytes each they are more than the 128 MB that a worker keeps, so that they are coded
  anew, {set_up:.1f} us an item with all that comes once, for each call of {call:,} users.
- *Spark ALS here* is `recommendForAllUsers` of today's Spark on our machine, k = 64, {als_ns:.0f} ns a pair and core,
  by proportion. What lies between it and *there* is newer Spark, newer CPUs and another rank: compare ours with *here*.
- The price is an assumption. It holds neither the driver, nor start-up, idle cores, storage or training.

What may not scale as the model says:

- **Caches.** Items' codes of {codes_mb:.0f} MB (k = 64) fit no cache that a core has for itself. A pair moves
  {pair_bytes:.2f} bytes, since 80 users share what is read: {need:.1f} GB/s for each core at the fitted speed;
  {have:.1f} GB/s is what one core reads here. All cores of a node share its memory's bandwidth, which we have not
  measured.
- **Bounds.** More items raise the N-th score, so that a smaller share of pairs is scored exactly; that favours large
  sets. But a real catalogue's tail is trained on few ratings, and how well bounds do there was not measured.
- **Spark.** {users:,} users are some {blocks:,} files of seen lists; the time to list and to schedule them, stragglers
  and lost executors are not in the model. *a* was measured in a session that runs already, on one machine.
- **Cores.** One core of two, all busy, is what was measured. On CPUs with many cores the clock falls, and two
  hyper-threads are not two cores.
"""

MEMORY = """\
## Memory

| what | bytes | shared by |
| --- | --- | --- |
| vectors, mapped from a file | 4 x k x (items + users of the blocks at hand) | all workers of a node |
| dot: codes | items x (k + {beside}) | one worker |
| layers: codes | items x (h + {beside}), at most 128 MB of codes at once | one worker |
| seen items as bits | items x {bits} | one worker |
| lists of a call | {call:,} users x N x 8, for each variant | one worker |
| Arrow batch | at most 64 MB | one worker |
| Python, numpy, numba | about 285 MB | one worker |

For 2.3 million items, lists of ten:

| model | mapped, a node | each worker |
| --- | ---: | ---: |
{sizes}

The vectors of all {users:,} users lie in the same file, {user_gb:.1f} GB at k = 64, which each executor fetches from
the driver; the pages of users that are not at hand can be dropped. A worker is one core's Python process.
"""


@dataclass(frozen=True)
class Cost:
    """seconds = a + (users b + pairs c + rows d) / cores; all in seconds."""

    a: float
    b: float
    c: float
    d: float

    def seconds(self, users: float, items: float, n: float, *, cores: float, c: float | None = None) -> float:
        """Of a job; with another price of a pair where it has another model."""
        pair = self.c if c is None else c
        return self.a + users * (self.b + items * pair + n * self.d) / cores


def main() -> None:
    """Write the page."""
    found = {
        name: json.loads((HERE / f"{name}.json").read_text()) for name in NEEDED if (HERE / f"{name}.json").exists()
    }
    missing = [name for name in NEEDED if name not in found]
    if missing:
        print(f"NOT WRITTEN: docs/scale.md: not measured: {', '.join(missing)} (make bench)", file=sys.stderr)
        return
    cost = fitted(found["job_sizes"]["runs"], found["job_sizes"]["cores"])
    remarks = [f"*{found[name]['remark']}*\n" for name in ("job_sizes",) if "remark" in found[name]]
    parts = [INTRODUCTION, *remarks, model(cost, found), check(cost, found), large(cost, found), memory()]
    (HERE / "scale.md").write_text("\n".join(parts), encoding="utf-8")


def fitted(runs: list[dict[str, Any]], cores: int) -> Cost:
    """Least squares on relative errors, with coefficients that are not negative."""
    terms = np.array(
        [[1, r["users"] / cores, r["users"] * r["items"] / cores, r["users"] * r["n"] / cores] for r in runs]
    )
    measured = np.array([r["warm"] for r in runs])
    return Cost(*(float(x) for x in nnls(terms / measured[:, None], np.ones(len(runs)))[0]))


def nanoseconds(growth: dict[str, Any], axis: str, who: str) -> dict[int, float]:
    """Time of a pair at each point of an axis of `benchmarks/growth.py`."""
    rows = growth["axes"][axis][who]
    return {int(row["at"]): row["seconds"] / row["users"] / row["items"] * 1e9 for row in rows}


def model(cost: Cost, found: dict[str, Any]) -> str:
    """The formula, how it fits, and what other shapes cost."""
    sizes = found["job_sizes"]
    rows = []
    for run in sizes["runs"]:
        told = cost.seconds(run["users"], run["items"], run["n"], cores=sizes["cores"])
        shape = f"| {run['users']:,} | {run['items']:,} | {run['n']} |"
        rows.append(f"{shape} {run['warm']:.2f} | {told:.2f} | {told / run['warm']:.2f} |")
    dots, layers = nanoseconds(found["growth"], "k", "dot"), nanoseconds(found["growth"], "hidden", "one layer")
    both = zip(dots.items(), layers.items(), strict=True)
    return MODEL.format(
        runs=len(rows),
        cores=sizes["cores"],
        machine=sizes["machine"],
        k=sizes["k"],
        a=cost.a,
        b=cost.b * 1e6,
        c=cost.c * 1e9,
        d=cost.d * 1e6,
        fit="\n".join(rows),
        shapes="\n".join(f"| {k} | {x:.2f} | | {h:,} | {y:.2f} |" for (k, x), (h, y) in both),
    )


def check(cost: Cost, found: dict[str, Any]) -> str:
    """The prediction beside the large job."""
    job = found["scoring_job"]
    users, items, cores = job["users"], job["items"], job["cores"]
    cases = [
        (f"dot {job['k']}, seen items left out", cost.seconds(users, items, job["n"], cores=cores), job["ours"]["warm"])
    ]
    if "deep" in job:
        pair = 1 / found["kernels"]["cases"]["layers 1024, trained"]["ours"]
        name = "one layer of 1,024 units, *c* by the kernel's own rate on one core"
        cases.append((name, cost.seconds(users, items, job["n"], cores=cores, c=pair), job["deep"]["ours"]["warm"]))
    ratio = cases[0][1] / cases[0][2]
    told = f"The prediction for dot products is {abs(ratio - 1):.0%} too {'high' if ratio > 1 else 'low'}."
    trust = "Take what follows as good to about that factor at best, and rather worse: it lies much farther away."
    largest = max(run["users"] * run["items"] for run in found["job_sizes"]["runs"])
    return CHECK.format(
        largest=round(largest / 1e6),
        pairs=round(users * items / 1e6),
        cores=cores,
        checks="\n".join(f"| {name} | {a:.2f} | {b:.2f} | {a / b:.2f} |" for name, a, b in cases),
        remark=f"{told}\n{trust}",
    )


def large(cost: Cost, found: dict[str, Any]) -> str:
    """What the largest set would take."""
    growth, job = found["growth"], found["scoring_job"]
    dots = nanoseconds(growth, "k", "dot")
    fitted_k, of_layer = found["job_sizes"]["k"], found["kernels"]["cases"]["layers 1024, trained"]
    # a line through what coding took, since it is proportional to the items
    set_ups = growth["axes"]["items"]["one layer"][-1]
    set_up = set_ups["set_up"] / set_ups["items"]
    als = job.get("Spark ALS, nothing left out", {}).get("warm", float("nan")) * job["cores"] / job["pairs"]
    # no less than the kernel alone takes where users cost little, since small jobs may not tell a pair's price
    many = nanoseconds(growth, "items", "dot")
    pair = max(cost.c, many[max(many)] * 1e-9)
    prices = {
        "dot, k = 16": pair * dots[16] / dots[fitted_k],
        "dot, k = 64": pair,
        "dot, k = 64, as random": dots[64] * 1e-9,
        "dot, k = 128": pair * dots[128] / dots[fitted_k],
        "one layer of 1,024, trained": 1 / of_layer["ours"],
        "the same with its codes": 1 / of_layer["ours"] + set_up / USERS_OF_PARTS,
    }
    lines = [cost_line(name, c, cost.seconds(USERS, ITEMS, ENTRIES, cores=1, c=c)) for name, c in prices.items()]
    lines.append(cost_line("Spark ALS here", als, als * USERS * ITEMS))
    lines.append(
        cost_line("Spark ALS there", ALS_HOURS * 3600 * ALS_CORES / USERS / ITEMS, ALS_HOURS * 3600 * ALS_CORES)
    )
    pair_bytes = (64 + 8) / 80
    return LARGE.format(
        hours=ALS_HOURS,
        als_cores=ALS_CORES,
        users=USERS,
        items=ITEMS,
        pairs=USERS * ITEMS,
        factor=USERS * ITEMS / job["pairs"],
        rows=USERS * ENTRIES,
        price=PRICE,
        rows_of_costs="\n".join(lines),
        set_up=set_up * 1e6,
        call=USERS_OF_PARTS,
        als_ns=als * 1e9,
        codes_mb=ITEMS * (64 + 8) / 1e6,
        pair_bytes=pair_bytes,
        need=pair_bytes / pair / 1e9,
        have=found["roofline"]["bandwidth"] / 1e9,
        blocks=-(-USERS // 1024),
    )


def cost_line(name: str, pair: float, core_seconds: float) -> str:
    """Core-hours, time on the cores of the thread, and money."""
    hours = core_seconds / 3600
    alone = hours / ALS_CORES
    lasts = f"{alone:.1f} h" if alone >= 1 else f"{alone * 60:.1f} min"
    return f"| {name} | {pair * 1e9:.2f} | {hours:,.1f} | {lasts} | {hours * PRICE:,.2f} $ |"


def memory() -> str:
    """Formulae, and what they give."""
    fixed = USERS_IN_A_CALL * ENTRIES * 8 + 64 * 2**20 + WORKER + ITEMS * SEEN_BITS
    workers = {
        "dot, k = 16": (16, ITEMS * (16 + BESIDE_CODES)),
        "dot, k = 64": (64, ITEMS * (64 + BESIDE_CODES)),
        "dot, k = 128": (128, ITEMS * (128 + BESIDE_CODES)),
        "one layer of 1,024, embeddings of 10": (10, ITEMS * BESIDE_CODES + CODED_AT_ONCE),
    }
    return (
        MEMORY.format(
            beside=BESIDE_CODES,
            bits=SEEN_BITS,
            call=USERS_IN_A_CALL,
            sizes="\n".join(
                f"| {name} | {4 * k * ITEMS / 1e6:,.0f} MB | {(own + fixed) / 1e6:,.0f} MB |"
                for name, (k, own) in workers.items()
            ),
            users=USERS,
            user_gb=4 * 64 * USERS / 1e9,
        )
        + measured_memory()
    )


def measured_memory() -> str:
    """What workers took, if it was measured."""
    file = HERE / "memory.json"
    if not file.exists():
        return ""
    lines = "\n".join(
        f"| {run['scorer']} | {run['items']:,} | {run['users']:,} | {run['expected_mb']:,.0f} | {run['peak_mb']:,.0f} |"
        for run in json.loads(file.read_text(encoding="utf-8"))
    )
    return MEASURED_MEMORY.format(lines=lines)


if __name__ == "__main__":
    main()
