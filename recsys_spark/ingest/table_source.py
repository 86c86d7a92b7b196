"""What every table that a job reads has in common: where it is, and how it is read."""

from __future__ import annotations

import codecs
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from recsys_spark.config import Section
from recsys_spark.database.address import Address
from recsys_spark.database.settings import Reading, Url
from recsys_spark.errors import ConfigError
from recsys_spark.secret import Location, Secret

ColumnRef = str | Annotated[int, Field(ge=0)]
"""A column of the source: its name, or its position from 0 where there are no names."""

ENCODINGS = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "iso8859-1": "ISO-8859-1", "ascii": "US-ASCII"}
"""What Spark reads line by line, under Python's names for it."""


class TableSource(Section):
    """Where a table comes from and how it is read."""

    format: Literal["csv", "parquet", "delta", "jdbc"] = "csv"
    """csv: delimited text of any kind; parquet; delta; jdbc: a table or a query of a database."""

    path: Location | None = None
    """A file, a folder or a glob that Spark can read. `pyspark:...` is a file inside the installed pyspark package."""

    separator: str = Field(",", min_length=1)
    r"""Between two columns of delimited text; one or more characters, such as `::` or a tab (also written as `\t`)."""

    header: bool = True
    """Whether the first line of each file of delimited text names the columns."""

    encoding: str = "UTF-8"
    """Of delimited text: UTF-8, ISO-8859-1 (Latin-1) or US-ASCII."""

    quote: str = Field('"', max_length=1)
    """The quotation mark around fields of delimited text; empty: none."""

    multiline: bool = False
    """Whether a quoted field of delimited text may hold line ends (then a file is read by one task)."""

    where: str | None = None
    """A SQL condition over the source's columns, in Spark's SQL."""

    url: Url | None = None
    """Of a database: `jdbc:postgresql://host:port/database`, `jdbc:mariadb://...` or `jdbc:mysql://...`."""

    user: str | None = None
    """Who asks the database."""

    password: Secret | None = None
    """Of a database, by reference: env:NAME or file:PATH."""

    table: str | None = Field(None, min_length=1)
    """The database's table, as it is written in its SQL, such as `rating` or `shop.rating`."""

    query: str | None = Field(None, min_length=1)
    """A SELECT in the database's SQL, instead of a table."""

    jdbc: Reading = Reading()
    """How a database is spoken to and read."""

    @field_validator("separator")
    @classmethod
    def _tab(cls, separator: str) -> str:
        return separator.replace("\\t", "\t")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.format == "jdbc" and self.is_given and (self.table is None) == (self.query is None):
            raise ValueError("format jdbc with either a table or a query")
        return self

    @property
    def is_given(self) -> bool:
        """Whether there is a table at all."""
        return (self.url if self.format == "jdbc" else self.path) is not None

    @property
    def place_key(self) -> str:
        """The key of this section that says where the table is."""
        return "url" if self.format == "jdbc" else "path"

    @property
    def place(self) -> str:
        """Where the table is, for messages and origins."""
        if self.format == "jdbc":
            return f"{self.address.shown}: {self.table or 'a query'}"
        return str(self.path)

    def missing(self, section: str) -> ConfigError:
        """The error where the table is needed and not given."""
        key = f"{section}.{self.place_key}"
        expected = "the URL of a database" if self.format == "jdbc" else "a file, a folder or a glob"
        return ConfigError(key, expected=expected, found="none", hint=f"--set {key}=...")

    @property
    def address(self) -> Address:
        """The database; `url` is given."""
        assert self.url is not None
        return Address(self.url, self.user, self.password, self.jdbc)

    @field_validator("encoding")
    @classmethod
    def _readable(cls, encoding: str) -> str:
        try:
            return ENCODINGS[codecs.lookup(encoding).name]
        except LookupError:
            raise ValueError("one of UTF-8, ISO-8859-1, US-ASCII") from None
