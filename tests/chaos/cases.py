"""What is done to a night, and what must hold afterwards."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.chaos.night import CLUSTER, LOCAL, Night

DRIVER, JVM = ("jobs/nightly.py",), ("org.apache.spark.deploy.SparkSubmit",)
EXECUTOR, WORKER = ("CoarseGrainedExecutorBackend",), ("pyspark.daemon", "pyspark/daemon")

STAGES = ("session", "ingest", "train", "evaluate", "score", "audit", "publish", "ledger")
"""In the order in which a night announces them."""

Harm = Callable[[Night, Path], bool]
"""Done to a running night on its output; tells whether it was."""


@dataclass(frozen=True)
class Case:
    """One night that something happens to.

    Args:
        place: where, for people.
        harm: what.
        further: what happens to the nights that are started after it, one after the other.
        format: of the output.
        options: of Spark.
        settings: further `key=value`.
        file_size: bytes that no file may exceed.
        survives: whether the night must be published in spite of it.
    """

    place: str
    harm: Harm
    further: tuple[Harm, ...] = ()
    format: str = "delta"
    options: tuple[str, ...] = LOCAL
    settings: tuple[str, ...] = ()
    file_size: int | None = None
    survives: bool = False


def kill(night: Night, output: Path, *, when: str, after: float, whom: tuple[str, ...]) -> bool:
    """SIGKILL some of its processes, so many seconds after it has said something."""
    if not night.until(when):
        return False
    time.sleep(after)
    return night.kill(*whom) > 0


def kill_and_tear(night: Night, output: Path, *, when: str, after: float) -> bool:
    """SIGKILL all of it, and cut the Parquet file that was written last to half."""
    done = kill(night, output, when=when, after=after, whom=(*DRIVER, *JVM))
    night.end()
    files = [f for f in output.rglob("*.parquet") if "_work" in f.parts]
    newest = max(files, key=lambda f: f.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    return done


def make_read_only(night: Night, output: Path, *, when: str, folder: str) -> bool:
    """Make a folder read-only, also for root, until the night has ended."""
    if not night.until(when):
        return False
    place = output / folder
    place.mkdir(exist_ok=True)
    subprocess.run(["chattr", "+i", str(place)], check=True)
    try:
        night.end()
    finally:
        subprocess.run(["chattr", "-i", str(place)], check=True)
    return True


def nothing(night: Night, output: Path) -> bool:
    """What happens is in the options."""
    return True


def cases(seed: int, kills: int) -> Iterator[Case]:
    """The cases of the long form: kills by signal at every boundary and inside scoring and publishing, then the others.

    Args:
        seed: of moments and formats.
        kills: by signal.
    """
    draw = random.Random(seed)
    for number in range(kills):
        inside = number % 2 == 1
        stage = draw.choice(("score", "publish")) if inside else STAGES[number // 2 % len(STAGES)]
        at_its_end = not inside and draw.random() < 0.5
        when = f"] {stage} done" if at_its_end else f"] {stage} ..."
        after = draw.uniform(0, 4 if stage == "publish" else 1.5) if inside else 0.0
        whom, name = draw.choice(((DRIVER, "driver"), (JVM, "JVM"), ((*DRIVER, *JVM), "driver and JVM")))
        place = f"{name} killed {'inside' if inside else 'at the end of' if at_its_end else 'at the start of'} {stage}"
        yield Case(
            place, partial(kill, when=when, after=after, whom=whom), format="parquet" if number % 5 == 4 else "delta"
        )
    inside_scoring = partial(kill, when="] score ...", after=0.5)
    yield Case("an executor killed inside score", partial(inside_scoring, whom=EXECUTOR), options=CLUSTER)
    yield Case("a Python worker killed inside score", partial(inside_scoring, whom=WORKER), options=CLUSTER)
    yield Case("a Python worker killed inside score, no second try", partial(inside_scoring, whom=WORKER))
    yield Case("no file may exceed 40 kB", nothing, file_size=40_000)
    yield Case("no file may exceed 150 kB", nothing, file_size=150_000)
    for stage, folder in (("train", "models"), ("publish", "top_n"), ("publish", "top_n_history"), ("score", "_work")):
        if shutil.which("chattr"):
            place = f"{folder} made read-only at the start of {stage}"
            yield Case(place, partial(make_read_only, when=f"] {stage} ...", folder=folder))
    for stage in ("ingest", "score", "publish"):
        yield Case(f"killed inside {stage}, its last file torn", partial(kill_and_tear, when=f"] {stage} ...", after=1))
    speculation = ("--conf", "spark.speculation=true", "--conf", "spark.speculation.quantile=0.1")
    yield Case("speculation on", nothing, options=(*CLUSTER, *speculation), survives=True)
