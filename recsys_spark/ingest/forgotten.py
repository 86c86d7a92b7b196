"""The users who are to be forgotten: a list of salted hashes, and the rows of a source that name one of them.

The list outlives the users: it is what keeps a source that still names them from bringing them back. It holds no id,
but whoever has the file and a guess can check the guess; so it must be guarded like the ratings themselves.

Ids are compared without the blanks around them, as text, whatever the pinned type is.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.storage import Folder

FORGOTTEN_FILE = "forgotten.json"

BLANKS = " \t\r\n"
"""What does not count around an id."""

_QUOTED = BLANKS + "\"'"

_BREAKS = (r"[,;|\t]|::", r"[^\w.@+-]+", r"\W+")
"""What may stand between the fields of a line that cannot be split: each is tried by itself."""


@dataclass(frozen=True)
class Forgotten:
    """The list, as `state/forgotten.json` holds it: on the driver some 200 bytes for each user."""

    salt: str
    """Drawn once for an output, so that the same id has another hash elsewhere."""

    hashes: frozenset[str]
    """sha256 of salt and id, in hex."""

    finished: bool = True
    """Whether all of them have been erased; false while the job `forget` is at it, or if it was stopped."""

    @classmethod
    def load(cls, state: Folder) -> Forgotten | None:
        """The list of an output; none: nobody was ever forgotten."""
        stored = state.read_json(FORGOTTEN_FILE)
        return None if stored is None else cls(stored["salt"], frozenset(stored["hashes"]), stored["finished"])

    @classmethod
    def empty(cls) -> Forgotten:
        """A list of nobody, with a fresh salt."""
        return cls(secrets.token_hex(16), frozenset())

    def save(self, state: Folder) -> None:
        """Write the list, at once: from now on every ingest heeds it."""
        stored = {"salt": self.salt, "finished": self.finished, "hashes": sorted(self.hashes)}
        state.write_json(FORGOTTEN_FILE, stored)

    def joined_by(self, ids: Iterable[str]) -> Forgotten:
        """The list with further users, who have still to be erased."""
        return replace(self, hashes=self.hashes | {self.hash_of(i) for i in ids}, finished=False)

    def done(self) -> Forgotten:
        """The list once all of its users have been erased."""
        return replace(self, finished=True)

    @property
    def digest(self) -> str:
        """Names the content: two lists of the same users have the same (16 hex digits)."""
        return hashlib.sha256(" ".join((self.salt, *sorted(self.hashes))).encode()).hexdigest()[:16]

    def hash_of(self, user_id: Any) -> str:
        """The hash of one id, given as text or number."""
        return hashlib.sha256((self.salt + str(user_id).strip(BLANKS)).encode()).hexdigest()

    def names(self, user_id: Any) -> bool:
        """Whether this id is on the list."""
        return self.hash_of(user_id) in self.hashes

    def named_in(self, text: str) -> bool:
        """Whether a piece of the text, between blanks, quotes or what else separates fields, is on the list."""
        pieces = {piece.strip(_QUOTED) for pattern in _BREAKS for piece in re.split(pattern, text)}
        return any(self.names(piece) for piece in pieces if piece)

    def hashed(self, column: str | Column) -> Column:
        """What `hash_of` gives, of a column of ids."""
        text = (F.col(column) if isinstance(column, str) else column).cast("string")
        return F.sha2(F.concat(F.lit(self.salt), F.btrim(text, F.lit(BLANKS))), 256)

    def rows(self, spark: SparkSession, column: str) -> DataFrame:
        """The hashes as a column, sent to every executor by the joins here: a filter must not shuffle the ratings."""
        return F.broadcast(spark.createDataFrame([(h,) for h in sorted(self.hashes)], f"{column} string"))


def without_forgotten(rows: DataFrame, column: str | Column, forgotten: Forgotten | None) -> DataFrame:
    """The rows whose id in `column` is not on the list; those without an id stay."""
    if forgotten is None:
        return rows
    hashes = forgotten.rows(rows.sparkSession, "_hash")
    return rows.join(hashes, on=forgotten.hashed(column) == F.col("_hash"), how="left_anti")


def with_forgotten(rows: DataFrame, column: str, forgotten: Forgotten) -> DataFrame:
    """Add `_forgotten`: whether the id in `column` is on the list. Every row comes once; nothing is shuffled."""
    hashes = forgotten.rows(rows.sparkSession, "_hash").withColumn("_named", F.lit(True))
    marked = rows.join(hashes, on=forgotten.hashed(column) == F.col("_hash"), how="left")
    return marked.withColumn("_forgotten", F.col("_named").isNotNull()).drop("_hash", "_named")


def emptied(rows: DataFrame, reason: str, forgotten: Forgotten) -> DataFrame:
    """Take everything but the origin out of the rows of forgotten users, before anything is stored.

    Args:
        rows: from `quality.check_rows`.
        reason: what these rows get, whatever else may be wrong with them.
        forgotten: the list.
    """
    return _blanked(with_forgotten(rows, "user", forgotten), reason)


def emptied_lines(rows: DataFrame, reason: str, forgotten: Forgotten) -> DataFrame:
    """Do the same to the lines that could not be split and name a forgotten user anywhere.

    A line is taken apart in several ways, see `Forgotten.named_in`; an id that is glued to other text is not found. The
    rows are read twice, of the first time only those lines.
    """
    named = F.broadcast(_naming_lines(rows, "_malformed", forgotten).withColumn("_named", F.lit(True)))
    marked = rows.join(named, on="_malformed", how="left").withColumn("_forgotten", F.col("_named").isNotNull())
    return _blanked(marked.drop("_named"), reason)


def without_lines(rows: DataFrame, column: str, forgotten: Forgotten) -> DataFrame:
    """The rows whose text in `column` names no user of the list, as `Forgotten.named_in` says."""
    return rows.join(F.broadcast(_naming_lines(rows, column, forgotten)), on=column, how="left_anti")


def _naming_lines(rows: DataFrame, column: str, forgotten: Forgotten) -> DataFrame:
    """Of the texts in `column`, each once, those that name a user of the list; in SQL what `named_in` is in Python."""
    lines = rows.where(F.col(column).isNotNull()).select(column).distinct()
    # Java's \w knows letters beyond ASCII only if told so
    pieces = F.concat(*(F.split(column, f"(?U){pattern}") for pattern in _BREAKS))
    found = lines.select(column, F.explode(pieces).alias("_piece"))
    found = found.withColumn("_hash", forgotten.hashed(F.btrim("_piece", F.lit(_QUOTED))))
    return found.join(forgotten.rows(rows.sparkSession, "_hash"), on="_hash", how="left_semi").select(column).distinct()


def _blanked(rows: DataFrame, reason: str) -> DataFrame:
    """Empty the rows that `_forgotten` marks, and drop the mark."""
    kept = ("reason", "_origin", "_forgotten")
    empty = {name: F.when(~F.col("_forgotten"), F.col(name)) for name in rows.columns if name not in kept}
    given = F.when(F.col("_forgotten"), F.lit(reason)).otherwise(F.col("reason"))
    return rows.withColumns(empty | {"reason": given}).drop("_forgotten")
