"""The catalog at a job's service: asked before anything is done, told once everything is."""

from __future__ import annotations

from collections.abc import Iterable

from recsys_spark.job import Job
from recsys_spark.publishing.catalog import Catalog
from recsys_spark.publishing.sink import Sink
from recsys_spark.schemas import ALL_TABLES, TOP_N, PinnedIds, TableSchema


def prepare_catalog(job: Job) -> None:
    """Refuse a catalog that cannot take the tables, before hours of work; none configured: nothing.

    Raises:
        ConfigError: see `Catalog.prepare`.
    """
    catalog = _catalog_of(job)
    if catalog is not None:
        catalog.prepare({table.name: str(job.run.output / table.name) for table in ALL_TABLES})


def register(job: Job, sink: Sink, ids: PinnedIds, tables: Iterable[TableSchema] = ALL_TABLES) -> None:
    """Make names show what the paths show, of the tables that there are; `top_n` last, as it is published.

    Doing it again changes nothing, and makes up for a job that died before it came to this.

    Raises:
        ConfigError, DataError: see `Catalog.register`; the hint says what readers see.
    """
    catalog = _catalog_of(job)
    if catalog is None:
        return
    for table in sorted(tables, key=lambda table: table is TOP_N):
        place = sink.place(table)
        if place is not None:
            job.summary.catalog[table.name] = catalog.register(table, place, ids)


def _catalog_of(job: Job) -> Catalog | None:
    output = job.settings.output
    if output.catalog is None:
        return None
    return Catalog(job.spark, output.catalog, job.run.output, output.format)
