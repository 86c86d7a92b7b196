"""The published tables and models of an output, on any machine, without Spark and without Keras.

    output = Output("output")
    lists = output.rows("top_n", user_id=3).to_pandas()
    scores = output.model().score(3, [75, 30])

Tables come as pyarrow datasets, so that a filter reads the row groups that it needs and not the table. pyarrow,
delta-rs and numba are imported when something of theirs is needed.
"""

from __future__ import annotations

import difflib
import functools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_spark.errors import DataError, NotFoundError
from recsys_spark.layouts import Layout, layout_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

    from recsys_spark.published_model import PublishedModel


class Output:
    """The tables and models under one `output.path`, as a reader sees them now.

    Each call looks at the output anew, so that an object that lives for days sees each run as it is published.

    Args:
        path: a local folder, by path or `file:` URI.

    Raises:
        NotFoundError: there is no such folder, it is not the output of a job, or it is not on this machine.

    Example:
        >>> Output("output").rows("top_n", ["rank", "item_id", "score"], user_id=3).num_rows
        10
    """

    def __init__(self, path: Path | str) -> None:
        self.path = _local(os.fspath(path))
        layout_of(self.path)

    @property
    def layout(self) -> Layout:
        """Where its tables lie."""
        return layout_of(self.path)

    def visible_run(self) -> str | None:
        """The run_id of the lists that readers see; none: none are published."""
        try:
            return self.layout.visible_run()
        except _damages() as error:
            raise _damaged("top_n", self.path, error) from error

    def has(self, name: str) -> bool:
        """Whether a table of this name was ever published."""
        _check_name(name)
        return self.layout.has(name)

    def table(self, name: str) -> ds.Dataset:
        """A table, nothing of which is read yet.

        Args:
            name: as in docs/tables.md.

        Returns:
            A dataset with all the columns of docs/tables.md; one that an earlier version did not write holds nulls.

        Raises:
            NotFoundError: there is no table of that name, or it was never published here.
            DataError: it is damaged.
        """
        found = self._dataset(name)
        if found is None:
            raise NotFoundError(
                f"the table {name}",
                expected="a table that was published",
                found=f"none in {self.path}",
                hint=_made_by(name),
            )
        return found

    def rows(self, name: str, columns: Sequence[str] | None = None, **equal: Any) -> pa.Table:
        """The rows of a table whose columns have the given values.

        Args:
            name: of the table.
            columns: which columns; none: all.
            equal: for a column the value that it has, or a list of values, one of which it has; None: it is null.

        Raises:
            NotFoundError, DataError: as `table` does; a value is not of the type of its column.

        Example:
            >>> output.rows("user_outcomes", ["user_id"], run_id=output.visible_run(), reason="folded_in")
        """
        found = self.table(name)
        condition = _condition(name, found.schema, equal)
        try:
            return found.to_table(columns=None if columns is None else list(columns), filter=condition)
        except _damages() as error:
            raise _damaged(name, self.path, error) from error

    def model(self, model_id: str | None = None) -> PublishedModel:
        """A stored model, once its files are found to be what its manifest says.

        Args:
            model_id: the name of a folder in `models`; none: the model that made the visible lists.

        Raises:
            NotFoundError: there is no such model.
            ArtifactError: it is damaged.
        """
        from recsys_spark.published_model import PublishedModel

        visible = self.visible_model()
        wanted = model_id or visible
        stored = sorted(f.name for f in (self.path / "models").glob("*") if f.is_dir() and not f.name.startswith("."))
        if wanted is None:
            hint = "name one of: " + (", ".join(stored[-5:]) or "none, as no job has trained here")
            raise NotFoundError(
                "the visible model", expected="published lists", found=f"none in {self.path}", hint=hint
            )
        if wanted not in stored:
            hint = "there are: " + (", ".join(stored[-5:]) or "none")
            raise NotFoundError(f"the model {wanted}", expected="a folder in models/", found="none of it", hint=hint)
        return PublishedModel(self, wanted, lists_run=self.visible_run() if wanted == visible else None)

    def visible_model(self) -> str | None:
        """The model_id of the visible lists; none: none are published, or nobody got one."""
        if not self.has("top_n"):
            return None
        try:
            first = self.table("top_n").head(1, columns=["model_id"])
        except _damages() as error:
            raise _damaged("top_n", self.path, error) from error
        if first.num_rows:
            return str(first["model_id"][0])
        run = self.visible_run()
        entered = self.rows("runs", ["model_id"], run_id=run)["model_id"].to_pylist() if self.has("runs") else []
        return str(entered[0]) if entered and entered[0] is not None else None

    def _dataset(self, name: str) -> ds.Dataset | None:
        _check_name(name)
        try:
            found = self.layout.dataset(name)
            return None if found is None else _completed(found, _declared()[name](found.schema))
        except _damages() as error:
            raise _damaged(name, self.path, error) from error

    def __repr__(self) -> str:
        return f"Output({str(self.path)!r})"


def _local(path: str) -> Path:
    scheme, colon, rest = path.partition(":")
    if colon and scheme == "file":
        return Path("/" + rest.lstrip("/"))
    if colon and rest.startswith("//") and re.fullmatch(r"[a-z][a-z0-9+.-]+", scheme):
        raise NotFoundError(
            path,
            expected="an output folder on this machine",
            found=f"one on {scheme}:",
            hint="copy or mount it, or read its tables with Spark, DuckDB or Polars",
        )
    return Path(path)


def _check_name(name: str) -> None:
    if name not in _declared():
        near = difflib.get_close_matches(name, _declared(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "docs/tables.md lists them"
        raise NotFoundError(f"the table {name}", expected=f"one of {', '.join(_declared())}", found=name, hint=hint)


@functools.cache
def _declared() -> dict[str, Any]:
    """For each table its schema, given one that tells the types of ids."""
    import pyarrow as pa

    from recsys_spark.schemas import ALL_TABLES, ITEM, USER, PinnedIds, TableSchema

    def full(table: TableSchema, found: pa.Schema) -> pa.Schema:
        def of(side: Any) -> Any:
            names = [column.name for column in table.columns if column.type == side and column.name in found.names]
            return "long" if any(pa.types.is_integer(found.field(name).type) for name in names) else "string"

        return table.arrow(PinnedIds(user=of(USER), item=of(ITEM)))

    return {table.name: functools.partial(full, table) for table in ALL_TABLES}


def _completed(found: ds.Dataset, declared: pa.Schema) -> ds.Dataset:
    """A table with the columns that none of its files, or not the first one, has: nulls where they are missing."""
    missing = [column.with_nullable(True) for column in declared if column.name not in found.schema.names]
    schema = found.schema
    for column in missing:
        schema = schema.append(column)
    return found.replace_schema(schema) if missing else found


def _condition(name: str, schema: pa.Schema, equal: dict[str, Any]) -> ds.Expression | None:
    import pyarrow as pa
    import pyarrow.dataset as ds

    conditions = []
    for column, value in equal.items():
        if column not in schema.names:
            columns = ", ".join(schema.names)
            raise NotFoundError(
                f"{name}.{column}", expected=f"a column of the table: {columns}", found="no such column"
            )
        if value is None:
            conditions.append(ds.field(column).is_null())
            continue
        values = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
        try:
            wanted = pa.array(values, schema.field(column).type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            kind = schema.field(column).type
            raise DataError(f"{name}.{column}", expected=f"values of type {kind}", found=str(error)) from error
        # equality is also judged by the least and greatest value of row groups, as a list of values is not
        conditions.append(ds.field(column) == wanted[0] if len(values) == 1 else ds.field(column).isin(wanted))
    return functools.reduce(lambda one, other: one & other, conditions) if conditions else None


@functools.cache
def _damages() -> tuple[type[Exception], ...]:
    """What pyarrow and delta-rs raise about files that are not what they should be."""
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    return (pa.ArrowException, OSError, DeltaError)


def _damaged(name: str, path: Path, error: Exception) -> DataError:
    hint = "a run that was published meanwhile may have removed a file: try again; else the files are damaged"
    found = " ".join(str(error).split())[:300]
    return DataError(f"the table {name} in {path}", expected="one that can be read", found=found, hint=hint)


def _made_by(name: str) -> str:
    nightly = ("top_n", "top_n_history", "user_outcomes", "items", "users", "ratings", "quarantine", "metrics", "runs")
    job = {"trials": "tune", "item_vectors": "vectors", "user_vectors": "vectors", "embedding_maps": "report"}
    if name == "user_lists":
        return "a night with output.change_data_feed: true makes it"
    return f"the job {'nightly' if name in nightly else job.get(name, name)} makes it"
