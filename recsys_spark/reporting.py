"""The job `report`: the page of a run, made of the output alone, and the table of the items' maps.

Spark adds up; the driver gets what is shown, and holds the run's model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from recsys_spark import artifact, config
from recsys_spark.bookkeeping import config_hash, put_right, sink_of
from recsys_spark.errors import ArtifactError, ConfigError
from recsys_spark.evaluation.rating import MAIN, RATING
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.item_maps import ItemMaps, make_maps, publish_maps
from recsys_spark.job import Job
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.manifest import Manifest, read_manifest
from recsys_spark.publishing.ledger import PUBLISHED, Entry, entry_of
from recsys_spark.publishing.summary import gist
from recsys_spark.report.examples import ExampleUser, example_users
from recsys_spark.report.facts import Facts
from recsys_spark.report.gathering import Tables, gather
from recsys_spark.report.page import Page, as_html
from recsys_spark.report.sections import keys, sections
from recsys_spark.run_list import readable_duration
from recsys_spark.schemas import ITEMS, RATINGS, USER_OUTCOMES, PinnedIds
from recsys_spark.stored_models import check_fits, scorers_for


@dataclass(frozen=True, eq=False)
class StoredModel:
    """The model of a run: its manifest, its published scorers, and the evaluated fit's scorer of ratings."""

    manifest: Manifest
    scorers: Mapping[str, PairScorer]
    predicts: PairScorer | None


def report(job: Job) -> None:
    """Write the report of a run, `reports/<run_id>.html`: of the one that readers see, if the arguments name no other.

    Raises:
        ConfigError: there is no such run.
    """
    put_right(job)
    _write(job, job.arguments.get("run"))


def report_of_night(job: Job) -> None:
    """Do the same at the end of a night, if that is asked for; a failure is a warning, the night stays published."""
    if not job.settings.report.enabled or job.summary.status != PUBLISHED:
        return
    try:
        _write(job, job.run.run_id)
    except Exception as error:
        why = f"{gist(error)}; the job `report` writes it anew"
        job.run.warn(f"the lists of the night are published, but their report could not be written: {why}")


def _write(job: Job, run_id: str | None) -> None:
    with job.progress.stage("report"):
        tables, entry, ids = _asked(job, run_id)
        newest = tables.is_newest()
        model = _model(job, entry)
        before_id = tables.before(entry)
        facts = gather(
            tables,
            entry,
            None if before_id is None else entry_of(tables.sink, before_id),
            job.settings.report,
            summary=job.run.summaries.read_json(f"{entry.run_id}.json") or {},
            model={} if model is None else model.manifest.description.settings,
            predicts=None if model is None else model.predicts,
        )
        maps = None
        items, wanted = tables.sink.read(ITEMS), job.settings.report.maps
        if model is not None and wanted is not None and items is not None:
            ratings = tables.sink.read(RATINGS) if newest else None
            maps = make_maps(job, wanted, model.scorers, items, ratings)
        page = as_html(_page(job, facts, _examples(job, tables, newest=newest), maps))
        if maps is not None and maps.layouts:
            publish_maps(job, maps, ids, str(entry.model_id))
        job.check_lock()
        job.run.reports.write_text(f"{entry.run_id}.html", page)
    place = f"{job.run.reports}/{entry.run_id}.html"
    job.summary.tables["report"] = place
    job.summary.model_id = entry.model_id
    job.progress.say(f"report: {place}")


def _asked(job: Job, run_id: str | None) -> tuple[Tables, Entry, PinnedIds]:
    known = Vocabularies.load(job.run.state)
    sink = None if known is None else sink_of(job, known.ids)
    wanted = run_id or (None if sink is None else sink.visible_run())
    entry = None if sink is None or wanted is None else entry_of(sink, wanted)
    if known is None or sink is None or wanted is None or entry is None:
        hint = "the job `runs` lists them; output.path and output.format must be those of the run"
        raise ConfigError("--run", expected=f"a run of {job.run.output}", found=wanted or "none", hint=hint)
    return Tables(sink, wanted), entry, known.ids


def _model(job: Job, entry: Entry) -> StoredModel | None:
    """The model of a run; none if it is gone, and then the page goes without what it would tell."""
    vocabularies = Vocabularies.load(job.run.state)
    folder = str(job.run.models / str(entry.model_id))
    if vocabularies is None or entry.model_id not in job.run.models.children():
        job.run.warn(f"report: the model {entry.model_id} is no longer there: no maps, no predicted ratings")
        return None
    try:
        manifest = read_manifest(folder)
        check_fits(manifest, vocabularies, at=folder)
        evaluated = artifact.load(folder, "evaluated")
        scorers = scorers_for(folder, vocabularies)
    except ArtifactError as error:
        job.run.warn(f"report: no maps, no predicted ratings: {error.message}")
        return None
    ranks = manifest.description.settings.get("training", {}).get("objective") == "ranking"
    return StoredModel(manifest, scorers, evaluated.get(RATING) if ranks else evaluated[MAIN])


def _examples(job: Job, tables: Tables, *, newest: bool) -> list[ExampleUser]:
    outcomes, lists, settings = tables.mine(USER_OUTCOMES), tables.lists(), job.settings.report
    if outcomes is None or lists is None or not settings.users:
        return []
    ratings = tables.sink.read(RATINGS) if newest else None
    return example_users(outcomes, lists, ratings, tables.sink.read(ITEMS), users=settings.users, seed=settings.seed)


def _page(job: Job, facts: Facts, users: list[ExampleUser], maps: ItemMaps | None) -> Page:
    entry = facts.entry
    told = [
        ("Run", entry.run_id),
        ("Business date", entry.as_of.isoformat()),
        ("Model", entry.model_id or "none"),
        ("Started (UTC)", f"{entry.started_at:%Y-%m-%d %H:%M:%S}"),
        ("Took", readable_duration(sum((facts.summary.get("seconds") or entry.seconds).values()))),
        ("Version of the code", entry.code_version),
        ("Input", entry.fingerprint or "without a fingerprint"),
        ("Configuration", entry.config_hash),
    ]
    configuration, why = "", "The configuration of this job is another one than that of the run."
    if config_hash(job) == entry.config_hash:
        configuration = yaml.safe_dump(config.as_tree(job.settings), sort_keys=False, allow_unicode=True)
        why = "As resolved: the base configuration, what was given over it, and defaults."
    return Page(
        title=f"Recommendations of {entry.as_of}",
        status=entry.status.replace("_", " "),
        answers=facts.summary.get("answers"),
        facts=told,
        keys=keys(facts),
        warnings=facts.summary.get("warnings") or [],
        sections=sections(facts),
        users=users,
        users_text=f"{len(users)} who have a list, drawn by a hash of their ids (seed {job.settings.report.seed}).",
        map=maps.data if maps is not None and maps.layouts else None,
        map_text=maps.told if maps is not None else "",
        configuration=configuration,
        configuration_text=why,
        footer=f"Written by recsys-spark {entry.code_version} from the tables of {job.run.output}.",
    )
