"""The command line of every job: parse, configure, call the job, and say how it ended.

Logs go to stderr. The last line on stdout, always, is the summary as one JSON object.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from recsys_spark import config
from recsys_spark.errors import ConfigError, ConfigErrors, RecsysError
from recsys_spark.ingest.preview import input_problems
from recsys_spark.progress import Progress
from recsys_spark.publishing.lock import Owner, held
from recsys_spark.publishing.prometheus import write_metrics
from recsys_spark.publishing.reachable import output_problems
from recsys_spark.publishing.summary import Summary
from recsys_spark.run import STAGES, Run
from recsys_spark.settings import Settings
from recsys_spark.storage import Folder
from recsys_spark.streams import separate_stderr
from recsys_spark.tuning.preview import check_search

if TYPE_CHECKING:
    from recsys_spark.job import Job

PLANS = {
    "nightly": "read and check; extend vocabularies; split; train, evaluate, refit; score all pairs; audit; publish",
    "ingest": "read and check ratings; extend vocabularies; split",
    "train": "train on the last ingest of these inputs; refit; store the artefact",
    "tune": "ingest, if these inputs were not; search settings on the validation part; train the best on everything",
    "evaluate": "measure the last model of these inputs and settings beside the baselines",
    "score": "score all pairs with the last model of these inputs and settings; audit; publish",
    "score_pairs": "rank the pairs of the table `pairs` with the last model of these inputs and settings; publish them",
    "rollback": "find a run in top_n_history; make its lists the visible ones in one commit",
    "top_users": "find the best users for every item with the last model of these inputs and settings; audit; publish",
    "similar_items": "find the most similar items of every item by the model of the visible lists; audit; publish",
    "report": "add up what the tables tell of a run; lay its items out; write the page",
    "serve": "load the visible lists beside those that the database serves; swap them at once",
    "vectors": "publish the vectors of items and users that the model of the visible lists has",
    "compare": "read what was measured of two runs; compare how they rank, user by user",
    "maintain": "compact tables; remove files, runs, stages, models and summaries that nobody needs any more",
    "runs": "show what became of the last runs",
    "forget": "list the users' hashes; take them out of vocabulary, stages, tables, summaries and models",
}

OwnArguments = Callable[[argparse.ArgumentParser], None]
"""Declares the arguments that one job has beside those of every job; `Job.arguments` holds what they say."""

READS_PAIRS = "score_pairs"
"""The one job that reads the table `pairs`."""

READ_NO_SOURCE = frozenset(
    {"compare", "forget", "maintain", "report", "rollback", "runs", "serve", "similar_items", "vectors"}
)
"""Jobs that look at the output alone; they run, too, where the sources are out of reach."""

SERVE_LISTS = frozenset({"forget", "nightly", "rollback", "score", "serve"})
"""Jobs after which the database of the section `serve`, if there is one, serves the visible lists."""

WRITE_NOTHING = frozenset({"compare", "runs"})
"""Jobs that leave no trace in the output, not even a summary."""


class Arguments(argparse.ArgumentParser):
    """A parser whose complaints are our own errors."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise ConfigError("command line", expected=self.format_usage().strip(), found=message)


def start(name: str, job: Callable[[Job], None], file: Path, *, own: OwnArguments | None = None) -> None:
    """Run one job with the arguments of the process, and end the process if that fails.

    Whoever calls an entry point may drop what it returns; only an exit tells everybody of a failure.

    Args:
        name: of the job.
        job: what it does.
        file: of the job. `conf` lies beside its folder, in a checkout as in an installed package.
        own: declares the job's own arguments; none: it has none.
    """
    home = file.resolve().parent.parent
    _let_spark_log_as(home / "conf" / "log4j2.properties")
    code = main(name, job, home, own=own)
    if code:
        sys.exit(code)


def main(
    name: str,
    job: Callable[[Job], None],
    home: Path,
    arguments: Sequence[str] | None = None,
    *,
    own: OwnArguments | None = None,
) -> int:
    """Run one job from the command line.

    Args:
        name: of the job.
        job: what it does.
        home: the folder that holds `conf/base.yaml`.
        arguments: of the command line; those of the process if not given.
        own: declares the job's own arguments; none: it has none.

    Returns:
        The exit code: 0 published, done or dry run; 2 wrong usage or configuration; 3 the data or the audit failed;
        4 another run holds the output; 1 anything else.
    """
    separate_stderr()
    summary, progress, run = Summary(job=name), Progress(), None
    code = 0
    try:
        given = _given(_parser(name, own), arguments)
        overrides = [*given.set, *(["run.force=true"] if given.replace else [])]
        settings = config.load(Settings, [home / "conf" / "base.yaml", *given.config], overrides)
        run = Run.start(Folder(settings.output.path), given.as_of)
        summary.run_id, summary.as_of = run.run_id, run.as_of.isoformat()
        if settings.run.log_format == "json":
            progress.log_as_json(job=name, run_id=run.run_id)
        check_reachable(settings, name)
        if name == "tune":
            check_search(settings)
        if given.dry_run:
            _show_plan(name, settings)
            summary.status = "dry_run"
        else:
            _run_on_spark(name, job, settings, run, vars(given), (summary, progress))
    except SystemExit as stop:  # argparse after --help
        return int(stop.code or 0)
    except Exception as error:
        code = summary.fail(error)
        progress.fail(error, summary.error or {})
    summary.seconds = progress.seconds
    if run is not None:
        summary.warnings = run.warnings
        if settings.run.prometheus is not None and summary.status != "dry_run":
            _tell_monitoring(Path(settings.run.prometheus), summary, run, exit_code=code)
        _keep(summary, run, progress)
    progress.end(status=summary.status, exit_code=code)
    print(summary.as_json(), flush=True)
    return code


def _let_spark_log_as(configuration: Path) -> None:
    """Give our logging to a JVM that this process will start, as spark-submit.sh does, unless somebody gave it one."""
    options = os.environ.get("SPARK_SUBMIT_OPTS", "")
    elsewhere = (options, os.environ.get("PYSPARK_SUBMIT_ARGS", ""), os.environ.get("JAVA_TOOL_OPTIONS", ""))
    if "PYSPARK_GATEWAY_PORT" in os.environ or any("log4j" in given for given in elsewhere):
        return
    os.environ["SPARK_SUBMIT_OPTS"] = f"{options} -Dlog4j2.configurationFile={configuration.as_uri()}".lstrip()


def _given(parser: Arguments, arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says. Of arguments that do not exist only names are shown, since values may be secrets."""
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        options = [option.partition("=")[0] for option in unknown if option.startswith("-")]
        words = len(unknown) - len(options)
        found = [*options, *([f"{words} without an option (not shown)"] if words else [])]
        parser.error(f"unknown arguments: {', '.join(found)}")
    return given


def check_reachable(settings: Settings, name: str) -> None:
    """Refuse inputs that cannot be read and an output that cannot be written, all at once, before anything starts.

    Args:
        settings: of the run.
        name: of the job; sources, and the table `pairs`, are looked for only if the job reads them.

    Raises:
        RecsysError: one problem as itself, several together.
    """
    problems = list(_problems(settings, name))
    data = [p for p in problems if not isinstance(p, ConfigError)]
    if data:
        raise data[0]
    ConfigErrors.raise_if_any([p for p in problems if isinstance(p, ConfigError)])


def _problems(settings: Settings, name: str) -> Iterator[RecsysError]:
    if name not in READ_NO_SOURCE:
        yield from _source_problems(settings, name)
    if name not in WRITE_NOTHING:
        yield from output_problems(settings.output)
    for _, secret in config.secrets(settings):
        try:
            secret.reveal()
        except ConfigError as error:
            yield error


def _source_problems(settings: Settings, name: str) -> Iterator[RecsysError]:
    needed = {"source": settings.source} | ({"pairs": settings.pairs} if name == READS_PAIRS else {})
    for section, table in needed.items():
        if not table.is_given:
            yield table.missing(section)
        else:
            yield from input_problems(table, dict(table.columns), section)
    for section, source in (("items", settings.items), ("users", settings.users)):
        if source.is_given:
            yield from input_problems(source, source.columns, section)
        elif source.features.names:
            used = ", ".join(source.features.names)
            hint = f"--set {section}.path=... names the table that holds {used}"
            expected = f"a path, as {section}.features uses its columns"
            yield ConfigError(f"{section}.path", expected=expected, found="none", hint=hint)
    exclude = settings.scoring.exclude
    if exclude is not None:
        yield from input_problems(exclude, dict(exclude.columns), "scoring.exclude")
    segments = settings.scoring.segments
    if segments is not None and segments.table is not None:
        yield from input_problems(segments.table, dict(segments.table.columns), "scoring.segments.table")


def _run_on_spark(
    name: str,
    job: Callable[[Job], None],
    settings: Settings,
    run: Run,
    given: Mapping[str, Any],
    told: tuple[Summary, Progress],
) -> None:
    from recsys_spark.connect import refuse_what_needs_a_jvm
    from recsys_spark.job import Job
    from recsys_spark.publishing.remote_lock import create_by
    from recsys_spark.session import build_session

    summary, progress = told
    pairs = settings.pairs if name == READS_PAIRS else None
    tables = () if name in READ_NO_SOURCE else (*settings.tables_read, *(() if pairs is None else (pairs,)))
    delta = "delta" in (settings.output.format, *(table.format for table in tables))
    owner = Owner.this_process(run.run_id, name, timedelta(seconds=settings.run.lease_seconds))
    with ExitStack() as held_on:
        # where no session is needed for it, whoever comes second is told at once
        at_once = run.output.is_local and name not in WRITE_NOTHING
        lock = held_on.enter_context(held(run.locks, owner)) if at_once else None
        with progress.stage("session"):
            spark = build_session(f"recsys {name} {run.as_of}", delta=delta)
        held_on.callback(spark.stop)
        locked, served = name not in WRITE_NOTHING, name in SERVE_LISTS
        refuse_what_needs_a_jvm(
            spark,
            output=run.output.location if locked else "",
            serve_url=settings.serve.url if served else None,
        )
        if lock is None and name not in WRITE_NOTHING:
            lock = held_on.enter_context(held(run.locks, owner, create_by(spark)))
        checks = {} if lock is None else {"check_lock": lock.check}
        job(Job(spark, settings, run, summary, progress, name, given, **checks))
        if summary.status == "failed":
            summary.status = "done"


def _tell_monitoring(file: Path, summary: Summary, run: Run, *, exit_code: int) -> None:
    """Write the file for Prometheus; a night that is published is not worth less where that is impossible."""
    try:
        write_metrics(file, summary, exit_code=exit_code, ended=datetime.now(UTC))
    except OSError as error:
        run.warn(f"run.prometheus could not be written: {error}")


def _keep(summary: Summary, run: Run, progress: Progress) -> None:
    """Write the summary beside the tables; where that is impossible it is on stdout all the same."""
    if summary.status in ("dry_run", "invalid") or summary.job in WRITE_NOTHING:
        return
    try:
        run.summaries.write_json(f"{run.run_id}.json", summary.as_dict())
    except OSError as error:
        progress.say(f"the summary could not be written: {error}")


def _show_plan(name: str, settings: Settings) -> None:
    print(yaml.safe_dump(config.as_tree(settings), sort_keys=False, allow_unicode=True), file=sys.stderr)
    print(f"plan of {name}:", file=sys.stderr)
    for step in PLANS[name].split("; "):
        print(f"  {step}", file=sys.stderr)
    named = "" if settings.output.catalog is None else f", with names in {settings.output.catalog}"
    print(f"  output: {settings.output.format} in {Folder(settings.output.path)}{named}", file=sys.stderr)


def _parser(name: str, own: OwnArguments | None) -> Arguments:
    parser = Arguments(prog=name, description=PLANS[name], allow_abbrev=False)
    parser.add_argument("--config", type=Path, action="append", default=[], metavar="FILE", help="over conf/base.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over every file")
    parser.add_argument("--as-of", type=_date, metavar="DATE", help="business date, YYYY-MM-DD; default: today, UTC")
    if name == "nightly":
        stages = "ingest, train, evaluate, score or publish"
        parser.add_argument(
            "--from", dest="from_stage", type=_stage, metavar="STAGE", help=f"do it again from {stages}"
        )
    parser.add_argument("--replace", action="store_true", help="run even if nothing changed")
    parser.add_argument("--dry-run", action="store_true", help="check and show, do nothing")
    if own is not None:
        own(parser)
    return parser


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a date such as 2026-01-31, found {text!r}") from None


def _stage(text: str) -> str:
    if text not in STAGES:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(STAGES)}, found {text!r}")
    return text
