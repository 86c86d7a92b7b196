"""What tables are declared with: columns with their types, nullability and meaning, and what makes a row unique.

Ids keep the source's own type, so a schema becomes concrete only with the `PinnedIds` of a vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from recsys_spark.errors import DataError

IdName = Literal["string", "long"]


@dataclass(frozen=True)
class IdKind:
    """The type of an id column: that of users or of items, pinned on the first night."""

    of: Literal["user", "item"]


USER, ITEM = IdKind("user"), IdKind("item")
TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class PinnedIds:
    """The id types that a vocabulary has pinned."""

    user: IdName
    item: IdName

    def arrow(self, kind: IdKind) -> pa.DataType:
        """The Arrow type of user or item ids."""
        return {"string": pa.string(), "long": pa.int64()}[self.user if kind.of == "user" else self.item]


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    type: pa.DataType | IdKind | Entries
    comment: str
    nullable: bool = False

    def arrow(self, ids: PinnedIds) -> pa.DataType:
        """The Arrow type."""
        if isinstance(self.type, IdKind):
            return ids.arrow(self.type)
        if isinstance(self.type, Entries):
            return pa.list_(pa.struct([pa.field(c.name, c.arrow(ids), c.nullable) for c in self.type.columns]))
        return self.type

    @property
    def type_name(self) -> str:
        """The type in words, with `id` for the source's own."""
        if isinstance(self.type, IdKind):
            return "id"
        if isinstance(self.type, Entries):
            return f"list<{', '.join(f'{c.name}: {c.type_name}' for c in self.type.columns)}>"
        return str(self.type)


@dataclass(frozen=True)
class Entries:
    """The type of a column that holds a list of entries, each with these columns."""

    columns: tuple[Column, ...]


@dataclass(frozen=True)
class TableSchema:
    """One table: its columns in order, the columns that make a row unique, and what it is for."""

    name: str
    comment: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    def arrow(self, ids: PinnedIds) -> pa.Schema:
        """The Arrow schema; each field carries its comment as metadata `comment`."""
        return pa.schema(
            [
                pa.field(column.name, column.arrow(ids), nullable=column.nullable, metadata={"comment": column.comment})
                for column in self.columns
            ],
            metadata={"name": self.name},
        )


RUN_ID = Column("run_id", pa.string(), "The attempt that wrote this row")
MODEL_ID = Column("model_id", pa.string(), "The artefact under models/<model_id>/")
AS_OF = Column("as_of", pa.date32(), "The business date of the run")


def require_columns(table: str, expected: pa.Schema, found: Mapping[str, str], *, types: Mapping[str, str]) -> None:
    """Refuse a table that lacks a column of its schema or has it in another type, naming all of them at once.

    Args:
        table: for the message.
        expected: the schema.
        found: name -> type of the columns that are there.
        types: name -> type that the schema's columns should have, in the same notation as `found`.

    Raises:
        DataError: some column is missing or of another type.
    """
    wrong = [
        f"{name} ({found.get(name, 'missing')} instead of {types[name]})"
        for name in expected.names
        if found.get(name) != types[name]
    ]
    if wrong:
        raise DataError(table, expected="the columns of its schema", found=", ".join(wrong))


def misfits(
    expected: pa.Schema, found: Mapping[str, str], *, types: Mapping[str, str], may_have_more: bool = False
) -> list[str]:
    """Why a table that is there cannot go on as one of this schema: columns of another type, missing or unknown.

    A nullable column that it lacks is none: it joins with the next rows.

    Args:
        expected: the schema.
        found: name -> type of the columns that are there.
        types: name -> type that the schema's columns should have, in the same notation as `found`.
        may_have_more: whether columns that the schema does not know are no misfit.

    Returns:
        A phrase for each column.
    """
    wrong = [
        f"{name} ({found[name]} instead of {types[name]})"
        for name in expected.names
        if name in found and found[name] != types[name]
    ]
    wrong += [f"{field.name} (missing)" for field in expected if field.name not in found and not field.nullable]
    more = [] if may_have_more else [name for name in found if name not in types]
    return wrong + [f"{name} (unknown)" for name in more]
