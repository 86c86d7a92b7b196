"""Dirty inputs, each with what has to become of it. `docs/poison.md` is made from this table."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HEADER = "user,item,rating,time\n"
SOUND = "".join(
    f"{user},{item},{1 + (n + m) % 5},{100 + n}\n"
    for n, user in enumerate(("ann", "bob", "cid", "dan"))
    for m, item in enumerate(("red", "blue", "green"))
)
"""Twelve ratings of four users and three items."""
ROWS = 12
NUMBERS = "".join(f"{u},{i},{1 + (u + i) % 5},{100 + u}\n" for u in range(1, 5) for i in range(7, 10))
"""The same with numbers as ids."""

FAR_DOWN = 600
"""Rows before a defect that the first look, without Spark, does not reach: it decodes some 8 KB."""
LONG = "".join(f"user{n},red,{1 + n % 5},{n}\n" for n in range(FAR_DOWN))


@dataclass(frozen=True)
class Accepted:
    """The ingest goes through."""

    ratings: int
    reasons: dict[str, int] = field(default_factory=dict)
    """Rows in quarantine."""

    users: tuple[str, ...] = ()
    """Ids that have to be among the users, each for itself."""

    def told(self) -> str:
        """As the page says it."""
        left_out = ", ".join(f"{reason} {n}" for reason, n in sorted(self.reasons.items()))
        return f"{self.ratings} of {self.ratings + sum(self.reasons.values())} rows accepted" + (
            f"; in quarantine: {left_out}" if left_out else ""
        )


@dataclass(frozen=True)
class Refused:
    """The run stops, and says why."""

    subject: str
    message: str
    """A part of what it says."""

    exit_code: int = 3
    before_spark: bool = False

    def told(self) -> str:
        """As the page says it."""
        when = ", before Spark starts" if self.before_spark else ""
        return f"exit {self.exit_code}{when}: `{self.subject}: ... {self.message}`"


@dataclass(frozen=True)
class Poison:
    """An input: the content of a file, or of several by their names."""

    name: str
    content: str | bytes | Mapping[str, str | bytes]
    outcome: Accepted | Refused
    settings: tuple[str, ...] = ()
    file: str = "ratings.csv"
    alone: bool = False
    """Whether it is something else beside other ratings."""

    @property
    def files(self) -> dict[str, bytes]:
        """Content by name."""
        named = self.content if isinstance(self.content, Mapping) else {self.file: self.content}
        return {name: text.encode() if isinstance(text, str) else text for name, text in named.items()}

    @property
    def may_be_joined(self) -> bool:
        """Whether its files may lie among others: then its items red, blue and green tell it apart."""
        return isinstance(self.outcome, Accepted) and not self.alone

    def joined(self, mark: str) -> dict[str, bytes]:
        """The files, with a mark behind their items and before their names."""
        marked = {}
        for name, content in self.files.items():
            for item in (b"red", b"blue", b"green"):
                content = content.replace(item, item + mark.encode())
            marked[mark.strip(".") + name] = content
        return marked

    def write(self, folder: Path) -> Path:
        """Write it; gives the path to read: the file, or the folder of none or several."""
        folder.mkdir(parents=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return folder / next(iter(self.files)) if len(self.files) == 1 else folder


def rows(*lines: str, sound: str = SOUND) -> str:
    """A file with a header, sound rows and some more."""
    return HEADER + sound + "".join(line + "\n" for line in lines)


def parquet(*tables: dict[str, Any], cut: int = 0) -> dict[str, bytes]:
    """Parquet files of these columns, without their last bytes."""
    written = {}
    for n, columns in enumerate(tables):
        file = io.BytesIO()
        pq.write_table(pa.table(columns), file)
        written[f"{n}.parquet"] = file.getvalue()[: -cut or None]
    return written


PARQUET = ("source.format=parquet", "source.columns.timestamp=null")
NO_HEADER = ("source.header=false", "source.columns={user: 0, item: 1, rating: 2, timestamp: 3}")
LATIN_1 = ("source.encoding=latin-1",)
AS_NUMBERS = ("source.id_type={user: long, item: long}",)
SEMICOLON = ("source.separator=;",)
MULTILINE = ("source.multiline=true",)

NO_SOUND_ROW = "expected at least one sound rating, found none (rating_unparsable"
COMPRESSED = gzip.compress("".join(f"user{n},item{n * 7919 % 1000},3,{n}\n" for n in range(20_000)).encode())
DAMAGED = bytearray(COMPRESSED)
DAMAGED[len(COMPRESSED) // 2 : len(COMPRESSED) // 2 + 300] = bytes(300)
ZIP = b"PK\x03\x04\x14\x00\x00\x00\x08\x00\xb1\x9a\xe4\xff\xfe\x01"

ENCODINGS = [
    Poison("UTF-8 with a byte order mark", "\ufeff" + rows(), Accepted(ROWS, users=("ann",))),
    Poison(
        "two files, each with a byte order mark",
        {"a.csv": "\ufeff" + HEADER + "ann,red,4,1\n", "b.csv": "\ufeff" + HEADER + "bob,red,4,1\n"},
        Accepted(2, users=("ann", "bob")),
    ),
    Poison("a byte order mark before the first id", "\ufeff" + SOUND, Accepted(ROWS, users=("ann",)), NO_HEADER),
    Poison("Latin-1, said to be so", rows("Zoë,red,4,1").encode("latin-1"), Accepted(13, users=("Zoë",)), LATIN_1),
    Poison(
        "Latin-1 as UTF-8, in the first lines",
        rows("Zoë,red,4,1").encode("latin-1"),
        Refused("source.path", "expected text in UTF-8", before_spark=True),
    ),
    Poison(
        "Latin-1 as UTF-8, further down: two ids that could not be told apart",
        (rows(sound=LONG) + "Zoë,red,4,1\nZoé,red,4,1\n").encode("latin-1"),
        Accepted(FAR_DOWN, {"not_decodable": 2}),
    ),
    Poison("UTF-16", rows().encode("utf-16"), Refused("source.path", "expected text in UTF-8", before_spark=True)),
    Poison(
        "UTF-16 without a byte order mark",
        rows().encode("utf-16-le"),
        Refused("source.path", "where every other byte is zero", before_spark=True),
    ),
    Poison("lines that end with CR LF", rows().replace("\n", "\r\n"), Accepted(ROWS, users=("ann",))),
    Poison("lines that end with CR", rows().replace("\n", "\r"), Accepted(ROWS, users=("ann",))),
    Poison(
        "line ends of all kinds", HEADER + SOUND.replace("\nbob", "\r\nbob").replace("\ncid", "\rcid"), Accepted(ROWS)
    ),
    Poison("no line end at the end", rows().rstrip("\n"), Accepted(ROWS)),
    Poison("blank lines between rows", rows("", "  ", "eve,red,4,1", ""), Accepted(13)),
]

FILES = [
    Poison("an empty file", "", Refused("source.path", "is empty", before_spark=True)),
    Poison("blank lines only", "\n \n\n", Refused("source.path", "is empty", before_spark=True)),
    Poison("a header only", HEADER, Refused("source.path", "expected at least one rating")),
    Poison("an empty folder", {}, Refused("source.path", "nothing at", 2, before_spark=True)),
    Poison("an empty file among others", {"a.csv": "", "b.csv": rows()}, Accepted(ROWS)),
    Poison(
        "gzip cut short",
        COMPRESSED[:20],
        Refused("source.path", "a sound gzip file", before_spark=True),
        file="r.csv.gz",
    ),
    Poison(
        "gzip cut short, further down",
        COMPRESSED[: len(COMPRESSED) * 3 // 4],
        Refused("source.path", "a gzip file that ends where it should"),
        NO_HEADER,
        file="r.csv.gz",
    ),
    Poison(
        "gzip damaged, further down",
        bytes(DAMAGED),
        Refused("source.path", "gzip file"),
        NO_HEADER,
        file="r.csv.gz",
    ),
    Poison(
        "gzip that is none", rows(), Refused("source.path", "a sound gzip file", before_spark=True), file="r.csv.gz"
    ),
    Poison("a zip archive as text", ZIP, Refused("source.path", "text in UTF-8", before_spark=True)),
    Poison(
        "a Parquet file cut short",
        parquet({"user": ["ann"], "item": ["red"], "rating": [4]}, cut=20),
        Refused("source.path", "expected Parquet", before_spark=True),
        PARQUET,
    ),
    Poison(
        "text as Parquet",
        rows(),
        Refused("source.path", "expected Parquet", before_spark=True),
        PARQUET,
        file="r.parquet",
    ),
    Poison(
        "a name with blanks, a percent sign and letters of the world",
        {"rat ings 100%20 Zoë.csv": rows()},
        Accepted(ROWS),
    ),
    Poison("a name that is a pattern", {"ratings[1].csv": rows()}, Refused("source.path", "nothing at", 2)),
    Poison(
        "two files with other headers",
        {"a.csv": rows(), "b.csv": "item,user,rating,time\nred,ann,4,1\n"},
        Refused("source.path", "the same header in every file"),
    ),
]

COLUMNS = [
    Poison("the header again between rows", rows(HEADER.strip(), "eve,red,4,1"), Accepted(13, {"malformed_row": 1})),
    Poison(
        "a name twice in the header",
        "user,item,rating,rating,time\nann,red,4,5,1\n",
        Refused("source.columns.rating", "expected a column of the source", 2, before_spark=True),
    ),
    Poison(
        "a column that is misspelt",
        rows().replace("rating", "ratng"),
        Refused("source.columns.rating", "found 'rating'", 2, before_spark=True),
    ),
    Poison(
        "another separator",
        rows().replace(",", ";"),
        Refused("source.separator", "which does not stand in", 2, before_spark=True),
    ),
    Poison(
        "user and rating swapped",
        rows(),
        Refused("source", NO_SOUND_ROW),
        ("source.columns={user: rating, item: item, rating: user}",),
    ),
    Poison(
        "item and time swapped",
        rows(),
        Refused("source", "found none (timestamp_unparsable"),
        ("source.columns={user: user, item: time, timestamp: item}",),
    ),
    Poison(
        "dates as ratings",
        "user,item,rating,time\nann,red,2024-01-31,1\nbob,red,2024-02-01,2\n",
        Refused("source", NO_SOUND_ROW),
    ),
    Poison(
        "seconds since 1970 as ratings",
        rows(),
        Refused("source", "found none (rating_out_of_range"),
        ("source.columns.rating=time",),
    ),
    Poison(
        "lines with too few and too many columns",
        rows("eve,red", "eve,red,4,1,x,y", "text", ",,,,,,"),
        Accepted(ROWS, {"malformed_row": 4}),
    ),
    Poison(
        "a line with 30,000 columns",
        rows("," * 30_000),
        Refused("source.path", "expected at most 20,480 columns in a line"),
    ),
    Poison(
        "names with blanks, dots and backticks",
        rows().replace(HEADER, "a user,an.item,`rating`,ti`me\n"),
        Accepted(ROWS),
        ("source.columns={user: 'a user', item: 'an.item', rating: '`rating`', timestamp: 'ti`me'}",),
        alone=True,
    ),
    Poison(
        "a column with a name of ours",
        rows().replace("time", "_malformed"),
        Refused("source.path", "_malformed"),
        ("source.columns.timestamp=null",),
    ),
    Poison(
        "a separator inside a field without quotes", rows("doe, john,red,4,1"), Accepted(ROWS, {"malformed_row": 1})
    ),
    Poison(
        "a quotation mark that is never closed",
        rows('"eve,red,4,1', "fay,red,4,1"),
        Accepted(13, {"malformed_row": 1}, users=("fay",)),
    ),
    Poison(
        "a quotation mark that is never closed, in text of several lines",
        rows('"eve,red,4,1', "fay,red,4,1"),
        Accepted(ROWS, {"malformed_row": 1}),
        MULTILINE,
    ),
]

IDS = [
    Poison(
        "2^63 among numbers", rows(f"{2**63},7,4,1", sound=NUMBERS), Accepted(13, users=(str(2**63), "1")), alone=True
    ),
    Poison(
        "the ends of 64 bits, what lies beyond them, and text, where ids are pinned to numbers",
        rows(
            f"{2**63 - 1},7,4,1", f"-{2**63},7,4,1", f"{2**63},7,4,1", f"1,-{2**63 + 1},4,1", "eve,7,4,1", sound=NUMBERS
        ),
        Accepted(14, {"user_id_type": 2, "item_id_type": 1}, users=(str(2**63 - 1), str(-(2**63)))),
        AS_NUMBERS,
        alone=True,
    ),
    Poison(
        "007 beside 7",
        rows("7,red,4,1", "007,red,4,1", "7.0,red,4,1", "+7,red,4,1"),
        Accepted(16, users=("7", "007", "7.0", "+7")),
    ),
    Poison(
        "ids that differ by spaces",
        rows("ann ,red,4,1", " ann,red,4,1", "a nn,red,4,1", "ann\u00a0,red,4,1"),
        Accepted(16, users=("ann", "ann ", " ann", "a nn", "ann\u00a0")),
    ),
    Poison(
        "ids that differ by Unicode form",
        rows("Zo\u00eb,red,4,1", "Zoe\u0308,red,4,1"),
        Accepted(14, users=("Zo\u00eb", "Zoe\u0308")),
    ),
    Poison("ids that differ by case", rows("Ann,red,4,1", "ANN,red,4,1"), Accepted(14, users=("ann", "Ann", "ANN"))),
    Poison(
        "ids that differ by marks that nobody sees",
        rows("\u200fann,red,4,1", "ann\u200b,red,4,1", "\u202eann,red,4,1"),
        Accepted(15, users=("\u200fann", "ann\u200b", "\u202eann")),
    ),
    Poison(
        "ids of spaces, or of nothing",
        rows(" ,red,4,1", ",red,4,1", '"",red,4,1', "eve,   ,4,1"),
        Accepted(ROWS, {"user_missing": 3, "item_missing": 1}),
    ),
    Poison(
        "ids that are words of missing values",
        rows("null,red,4,1", "NaN,red,4,1", "None,red,4,1", "\\N,red,4,1"),
        Accepted(16, users=("null", "NaN", "None", "\\N")),
    ),
    Poison("ids with NUL bytes", rows("a\0nn,red,4,1", "ann\0,red,4,1"), Accepted(14, users=("a\0nn", "ann\0"))),
    Poison(
        "lines that begin with NUL or with #",
        rows("\0eve,red,4,1", "#eve,red,4,1"),
        Accepted(14, users=("\0eve", "#eve")),
    ),
    Poison(
        "a NUL byte where nothing is a quotation mark",
        rows("\0eve,red,4,1", "a\0,red,4,1"),
        Accepted(14, users=("\0eve", "a\0")),
        ("source.quote=''",),
    ),
    Poison(
        "formulas, SQL, paths and quotes",
        rows(
            "=cmd|' /C calc'!A0,red,4,1",
            "x'; DROP TABLE users; --,red,4,1",
            "../../etc/passwd,red,4,1",
            '"say ""x""",red,4,1',
            "${jndi:ldap://x},red,4,1",
        ),
        Accepted(
            17,
            users=("=cmd|' /C calc'!A0", "x'; DROP TABLE users; --", "../../etc/passwd", 'say "x"', "${jndi:ldap://x}"),
        ),
    ),
    Poison(
        "ids over several lines",
        rows('"two\nlines",red,4,1', '"two\r\nlines",red,4,1'),
        Accepted(14, users=("two\nlines", "two\r\nlines")),
        MULTILINE,
    ),
    Poison("an id of 200,000 letters", rows("x" * 200_000 + ",red,4,1"), Accepted(13, users=("x" * 200_000,))),
    Poison(
        "letters beyond the first 65,536",
        rows("\U0001f600,red,4,1", "\U00020000,red,4,1"),
        Accepted(14, users=("\U0001f600", "\U00020000")),
    ),
]

RATINGS = [
    Poison(
        "no number",
        rows(
            "eve,red,good,1",
            "eve,red,4/5,1",
            "eve,red,0x4,1",
            "eve,red,4d,1",
            "eve,red,1_0,1",
            "eve,red,\uff14,1",
            "eve,red,\u00bd,1",
            "eve,red,4\0,1",
        ),
        Accepted(ROWS, {"rating_unparsable": 8}),
    ),
    Poison(
        "no finite number",
        rows("eve,red,NaN,1", "eve,red,inf,1", "eve,red,1e400,1", "eve,red,-1e39,1"),
        Accepted(ROWS, {"rating_not_finite": 4}),
    ),
    Poison(
        "decimal commas",
        rows("eve;red;4,5;1", sound=SOUND).replace(",", ";").replace("eve;red;4;5;1", "eve;red;4,5;1"),
        Accepted(ROWS, {"rating_unparsable": 1}),
        SEMICOLON,
    ),
    Poison("no rating", rows("eve,red,,1", "eve,blue, ,1"), Accepted(ROWS, {"rating_missing": 2})),
    Poison(
        "ratings outside of the scale",
        rows("eve,red,0,1", "eve,blue,5.01,1", "eve,green,-1,1"),
        Accepted(ROWS, {"rating_out_of_range": 3}),
    ),
    Poison(
        "half of the rows defect",
        rows(*(["eve,red,x,1"] * ROWS)),
        Refused("quality.max_quarantined_share", "at most 40.0% of the rows defect"),
        ("quality.max_quarantined_share=0.4",),
    ),
    Poison(
        "times of all kinds",
        rows(
            "eve,red,4,now",
            "eve,blue,4,1e300",
            "eve,green,4,NaN",
            "fay,red,4,2024-02-30",
            "fay,blue,4,-1",
            "fay,green,4,2024-02-29T12:00:00Z",
            "gus,red,4,",
        ),
        Accepted(15, {"timestamp_unparsable": 4}),
    ),
    Poison("the same row a hundred times", rows(*(["eve,red,4,1"] * 100)), Accepted(13, {"duplicate": 99})),
    Poison(
        "contradicting ratings of one pair", rows("ann,red,5,900", "ann,red,1,900"), Accepted(ROWS, {"duplicate": 2})
    ),
    Poison("all ratings equal", HEADER + "".join(f"u{n},red{n % 3},3,1\n" for n in range(12)), Accepted(12)),
    Poison("a single rating", HEADER + "ann,red,4,1\n", Accepted(1, users=("ann",)), alone=True),
    Poison(
        "one user",
        HEADER + "".join(f"ann,i{n},{1 + n % 5},1\n" for n in range(12)),
        Accepted(12, users=("ann",)),
        alone=True,
    ),
    Poison("one item", HEADER + "".join(f"u{n},red,{1 + n % 5},1\n" for n in range(12)), Accepted(12), alone=True),
    Poison(
        "one user with half of all ratings",
        HEADER + "".join(f"{'ann' if n % 2 else f'u{n}'},red{n // 2},3,1\n" for n in range(40)),
        Accepted(40, users=("ann", "u0")),
    ),
    Poison("items with one rating each", HEADER + "".join(f"u{n % 5},red{n},3,1\n" for n in range(20)), Accepted(20)),
]

TYPES = [
    Poison(
        "floating-point ids with NaN, ids of 64 bits without a sign, times in microseconds",
        parquet(
            {
                "user": [1.0, 2.0, float("nan"), None],
                "item": pa.array([7, 2**64 - 1, 7, 7], pa.uint64()),
                "rating": [4.0, 3.0, 2.0, 1.0],
                "time": pa.array([1_700_000_000_000_000] * 4, pa.timestamp("us")),
            }
        ),
        Accepted(2, {"user_missing": 2}, users=("1", "2")),
        ("source.format=parquet",),
        alone=True,
    ),
    Poison(
        "times in nanoseconds, which Spark does not read",
        parquet(
            {"user": [1], "item": [7], "rating": [4.0], "time": pa.array([1_700_000_000 * 10**9], pa.timestamp("ns"))}
        ),
        Refused("source.path", "whose times are in microseconds"),
        ("source.format=parquet",),
        alone=True,
    ),
    Poison(
        "binary ids, some of them no UTF-8, and lists",
        parquet({"user": [b"ann", b"Zo\xeb", b"Zo\xe9"], "item": [[1, 2]] * 3, "rating": [4, 3, 2]}),
        Accepted(1, {"not_decodable": 2}, users=("ann",)),
        PARQUET,
        alone=True,
    ),
    Poison(
        "true and false as ratings",
        parquet({"user": [1, 2], "item": [7, 7], "rating": [True, False]}),
        Refused("source", NO_SOUND_ROW),
        PARQUET,
    ),
    Poison(
        "files whose columns are of other types",
        parquet({"user": [1], "item": [7], "rating": [4]}, {"user": ["ann"], "item": [7], "rating": [4]}),
        Refused("source.path", "parquet"),
        PARQUET,
    ),
    Poison(
        "a column of nulls",
        parquet({"user": pa.nulls(2), "item": [7, 8], "rating": [4, 3]}),
        Refused("source", "found none (user_missing: 2)"),
        PARQUET,
    ),
]

CORPUS = [*ENCODINGS, *FILES, *COLUMNS, *IDS, *RATINGS, *TYPES]
