"""Writes docs/tables.md from the declared schemas: `PYTHONPATH=. .venv/bin/python docs/make_tables.py`."""

from __future__ import annotations

from pathlib import Path

from recsys_spark.ingest.quality import DEFECTS, POLICIES
from recsys_spark.schemas import ALL_TABLES, SCHEMA_VERSION, Column, TableSchema

INTRODUCTION = """\
# The tables

Written by `docs/make_tables.py` from `recsys_spark/schemas/`; do not edit by hand. Version {version} of the schemas:
`docs/schemas.json` has the same for programs, [catalog.md](catalog.md) says what a version promises and how the tables
get names in a catalog.

All tables lie under `output.path`. With `output.format: delta` each is a Delta table in a folder of its name (reader
version 1, no deletion vectors: delta-rs, DuckDB and Polars read them). With `output.format: parquet` the tables of the
visible run lie in `published/<run_id>/<table>/`, which `current.json` names and the symbolic link `current` points to;
tables that keep several runs lie in `<table>/run_id=<run_id>/`, and those that belong to no night (`ranked_pairs`,
`top_users`, `similar_items`, `item_vectors`, `user_vectors`, `embedding_maps`) in `<table>/<run_id>/`, where
`<table>/current.json` and the link `<table>/current` tell the visible one.

`top_n` changes in one commit (Delta) or one replaced pointer (Parquet), after all the others: a reader sees the lists
of one complete run, and a reader who joins another table on `run_id` finds its rows there. `ratings` and `quarantine`,
`items` and `users` may for a moment be ahead of `top_n`. The tables that belong to no night change by themselves, each
at once, when their jobs are run; `similar_items` also at the end of a night, if `similar_items.enabled` asks for it.
`user_lists` follows `top_n` in one commit of its own (Delta, with `output.change_data_feed: true`).

*id* is the source's own type, `string` or `long`, pinned on the first night. A column that is not marked *nullable*
never holds a null; that is checked whenever a table is written.

Two runs are equal if their rows have the same user_id, variant, rank, item_id, score and outcome.
"""

OTHERS = """\
## Beside the tables

| place | what |
| --- | --- |
| `models/<model_id>/` | the artefact: `published` made the lists, the metrics are about `evaluated` |
| `summaries/<run_id>.json` | the summary that the job printed as its last line |
| `tuning/<study>/` | a search of settings: its journal, and `best.yaml`, the configuration that it found |
| `state/` | the vocabularies: which index each id has; the list of forgotten users, as hashes |
| `_work/<stage>-<hash>/` | private files of a stage |
"""


def main() -> None:
    """Write the page beside this file."""
    parts = [INTRODUCTION.format(version=SCHEMA_VERSION), *(section(table) for table in ALL_TABLES), reasons(), OTHERS]
    (Path(__file__).parent / "tables.md").write_text("\n".join(parts), encoding="utf-8")


def section(table: TableSchema) -> str:
    """One table: what it is for, its key, its columns."""
    key = f" Key: {', '.join(table.key)}." if table.key else ""
    rows = [f"| {c.name} | {type_of(c)} | {c.comment} |" for c in table.columns]
    head = [f"## {table.name}", "", f"{table.comment}.{key}", "", "| column | type | meaning |", "| --- | --- | --- |"]
    return "\n".join([*head, *rows, ""])


def type_of(column: Column) -> str:
    """The type as the page shows it."""
    return f"{column.type_name}, nullable" if column.nullable else column.type_name


def reasons() -> str:
    """The reasons of the quarantine."""
    rows = [f"| {reason} | defect | {why} |" for reason, why in DEFECTS.items()]
    rows += [f"| {reason} | policy | {why} |" for reason, why in POLICIES.items()]
    return "\n".join(["### Reasons", "", "| reason | class | meaning |", "| --- | --- | --- |", *rows, ""])


if __name__ == "__main__":
    main()
