"""The long form: `make chaos`, or `python -m tests.chaos [--kills 30] [--seed 1] [--only WORD] [--out FILE]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import pyspark

from tests.chaos.cases import cases
from tests.chaos.judge import Verdict, clean_nights, judge, record


def main() -> int:
    """Run the cases one after the other, and say of each what was seen."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=32, help="by signal, at seeded moments")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="cases whose place holds this")
    parser.add_argument("--out", type=Path, help="a JSON file for what was seen")
    given = parser.parse_args()
    sample = Path(pyspark.__file__).parent / "data" / "mllib" / "als" / "sample_movielens_ratings.txt"
    chosen = [case for case in cases(given.seed, given.kills) if given.only in case.place]
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="chaos-") as place:
        folder = Path(place)
        clean = {name: clean_nights(folder / name, sample, name) for name in sorted({c.format for c in chosen})}
        for number, case in enumerate(chosen):
            mine = folder / str(number)
            mine.mkdir()
            verdict = judge(case, clean[case.format], mine)
            verdicts.append(verdict)
            told = "good" if verdict.good else "BAD"
            print(f"{number + 1:3} of {len(chosen)}: {told}: {verdict}", flush=True)
            if given.out is not None:
                record(verdicts, given.out)
    return 0 if all(verdict.good for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
