"""Settings of connections to databases."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from recsys_spark.config import Section
from recsys_spark.database.dialects import DIALECTS, dialect_of
from recsys_spark.secret import Location


def _known(url: str) -> str:
    if dialect_of(url) is None:
        raise ValueError(f"a URL that begins with {' or '.join(DIALECTS)}")
    return url


Url = Annotated[Location, AfterValidator(_known)]
"""Of a database, as JDBC writes it: `jdbc:postgresql://host:port/database`, `jdbc:mariadb:...` or `jdbc:mysql:...`."""


class Connecting(Section):
    """How a connection is made and watched."""

    tls: Literal["disable", "require", "verify"] | None = None
    """disable: none; require: encrypted, whoever answers; verify: encrypted, by a server whose certificate is sound and
    made out to its name. None: what the driver does by itself (PostgreSQL: if the server offers it; MariaDB: none)."""

    ca_file: str | None = None
    """The certificate (PEM) that the server's is checked with, on the driver and on every executor; none: those that
    Java trusts. Needs `tls: verify`."""

    connect_seconds: int = Field(20, ge=1, le=3_600)
    """Seconds that a database may take to accept a connection."""

    answer_seconds: int = Field(1_800, ge=1, le=86_400)
    """Seconds without a byte of an answer after which a database is given up."""

    @model_validator(mode="after")
    def _checks_with_it(self) -> Self:
        if self.ca_file is not None and self.tls != "verify":
            raise ValueError("tls: verify beside ca_file")
        return self


class Reading(Connecting):
    """How a table or a query is read."""

    partition_column: str | None = None
    """A column of whole numbers, dates or times by whose ranges several tasks read at once; its lowest and highest
    value are asked for. None: the first column of the table's primary key, if it is such a one."""

    partitions: int | None = Field(None, ge=1, le=1_000)
    """Ranges, and so connections at the same time at most. None: one for each half a million values between the
    lowest and the highest, at most 8; 8 for dates and times."""

    predicates: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """SQL conditions, each read by a task of its own, instead of ranges. A row that fulfils several is read once, and
    the rows that fulfil none by one more task."""

    fetch_size: int = Field(10_000, ge=1, le=1_000_000)
    """Rows that a task gets at a time; a task holds no more than these."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.predicates and self.partition_column is not None:
            raise ValueError("either partition_column or predicates")
        return self
