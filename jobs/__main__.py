"""`recsys-job NAME [options]`, also `python -m jobs NAME`: one job, with the Spark that this Python has."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from recsys_spark.errors import ConfigError
from recsys_spark.publishing.summary import Summary

JOBS = tuple(sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py")))
"""Every job is a file of this folder."""

PRESETS = Path(__file__).resolve().parent.parent / "conf"


def main() -> None:
    """Run the job that the first argument names with the arguments that follow it."""
    name, *arguments = sys.argv[1:] or [""]
    if name in ("-h", "--help"):
        print("usage: recsys-job JOB [options of the job]\n")
        print(f"JOB is one of: {', '.join(JOBS)}\nPresets lie in {PRESETS}")
    elif name in JOBS:
        sys.argv = [f"recsys-job {name}", *arguments]
        import_module(f"{__package__}.{name}").main()
    else:
        _refuse(name)


def _refuse(name: str) -> None:
    error = ConfigError("command line", expected=f"one of the jobs {', '.join(JOBS)}", found=repr(name))
    summary = Summary()
    code = summary.fail(error)
    print(error, file=sys.stderr)
    print(summary.as_json(), flush=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
