"""The command `recsys`: looks things up in the published tables, without Spark.

A sub-command is a module of `lookup` and a line of `COMMANDS`. Answers go to stdout, what is wrong to stderr. What
takes time to import is imported when it is needed.
"""

from __future__ import annotations

import argparse
import importlib.abc
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from recsys_spark.errors import ConfigError, RecsysError
from recsys_spark.lookup import diff, explain, item, runs, similar, user
from recsys_spark.lookup.answer import Answer, Question, plain_values

COMMANDS: Mapping[str, Question] = {
    "show user": user,
    "show item": item,
    "similar": similar,
    "explain": explain,
    "runs": runs,
    "diff": diff,
}
"""Every sub-command, of one word or two, and the module that answers it."""

GROUPS = {"show": "what the tables say of a user or an item"}
"""The first words of sub-commands of two."""

BASE = Path("conf") / "base.yaml"
"""Under every configuration: in the package where that is installed, in a checkout beside it."""


class Arguments(argparse.ArgumentParser):
    """A parser whose complaints are our own errors."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        usage = " ".join(self.format_usage().removeprefix("usage: ").split())
        raise ConfigError("command line", expected=usage, found=message, hint=f"{self.prog} --help tells more")


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer one question.

    Args:
        arguments: of the command line; those of the process if not given.

    Returns:
        The exit code: 0 answered; 2 wrong usage, or no such user, item or run; 3 the tables or the model are damaged;
        1 anything else.
    """
    try:
        given = _parser().parse_args(arguments)
        if arguments is None:
            _leave_pandas_out()
        return _print(_answer(given), as_json=given.json)
    except SystemExit as stop:  # argparse after --help
        return int(stop.code or 0)
    except BrokenPipeError:
        # whoever reads has seen enough; Python would complain once more when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except RecsysError as error:
        return _complain(str(error), error.exit_code)
    except Exception as error:
        return _complain(f"recsys: {type(error).__name__}: {error}", 1)


def _parser() -> Arguments:
    common = Arguments(add_help=False)
    common.add_argument("--output", metavar="PATH", help="the output folder; default: output.path of the configuration")
    common.add_argument("--config", type=Path, action="append", default=[], metavar="FILE", help="over conf/base.yaml")
    common.add_argument("--json", action="store_true", help="one JSON object, with figures as they are stored")
    parser = Arguments(prog="recsys", description="Look things up in the published tables.", allow_abbrev=False)
    top = parser.add_subparsers(metavar="COMMAND", required=True)
    groups = {}
    for name, help_text in GROUPS.items():
        group = top.add_parser(name, help=help_text, description=help_text)
        groups[name] = group.add_subparsers(metavar="WHAT", required=True)
    for name, question in COMMANDS.items():
        first, _, second = name.partition(" ")
        place, word = (groups[first], second) if second else (top, first)
        one = place.add_parser(
            word, help=question.HELP, description=question.HELP, parents=[common], allow_abbrev=False
        )
        question.arguments(one)
        one.set_defaults(question=question)
    return parser


def _answer(given: argparse.Namespace) -> Answer:
    from recsys_spark.reader import Output

    question: Question = given.question
    return question.answer(Output(given.output if given.output is not None else _configured(given.config)), given)


def _configured(files: Sequence[Path]) -> str:
    """`output.path` of the configuration, found as jobs find it."""
    from recsys_spark import config
    from recsys_spark.lookup.settings import LookupSettings

    package = Path(__file__).resolve().parent
    base = [home / BASE for home in (package, package.parent) if (home / BASE).is_file()][:1]
    return config.load(LookupSettings, [*base, *files]).output.path


def _print(answer: Answer, *, as_json: bool) -> int:
    if as_json:
        text = json.dumps(plain_values(answer.values), allow_nan=False, default=str)
    else:
        from recsys_spark.lookup.terminal import as_text

        text = as_text(answer.parts, sys.stdout).rstrip("\n")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a title may hold what the terminal's encoding has no sign for
        sys.stdout.reconfigure(errors="replace")
    print(text, flush=True)
    return 0


def _leave_pandas_out() -> None:
    """Let this process do without pandas, which pyarrow otherwise imports with the first value that it makes.

    No answer needs it, and it takes as long to import as all the rest.
    """

    class Absent(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "pandas":
                raise ModuleNotFoundError("left out", name=name)

    sys.meta_path.insert(0, Absent())


def _complain(text: str, exit_code: int) -> int:
    from recsys_spark.lookup.terminal import harmless

    print("\n".join(harmless(line) for line in text.split("\n")), file=sys.stderr)
    return exit_code
