"""Every dirty input ends as the table in `poison.py` says, and none with Spark's words alone."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from recsys_spark import config, stages
from recsys_spark.command import check_reachable
from recsys_spark.errors import RecsysError
from recsys_spark.ingest.ingested import Ingested
from recsys_spark.ingest.preview import input_problems
from recsys_spark.ingest.quality import DEFECTS, POLICIES
from recsys_spark.settings import Settings
from tests.ingest.poison import CORPUS, HEADER, Accepted, Poison, Refused, rows
from tests.jobs import job_with, settings_of

SETTINGS = (
    "source={format: csv, separator: ',', header: true}",
    "source.columns={user: user, item: item, rating: rating, timestamp: time}",
    "quality={rating_range: [1, 5], max_quarantined_share: 0.9}",
    "output.format=parquet",
)

AT_ONCE = 4
"""Ingests that run side by side."""


@dataclass(frozen=True)
class Ended:
    """What became of an input. Of one that was joined with others `reasons` and `ratings` tell its own rows."""

    error: RecsysError | None = None
    asked_spark: bool = False
    reasons: dict[str, int] = field(default_factory=dict)
    ratings: list[tuple[str, str]] = field(default_factory=list)
    """User and item of those accepted."""


def ingested(
    spark: SparkSession, path: Path, settings: tuple[str, ...], output: Path
) -> Ingested | tuple[RecsysError, bool]:
    """Ingest as a job does, after the same first look; else why not, and whether Spark was asked."""
    asked = False
    given = [*SETTINGS, *settings, f"output.path={output}", f"source.path={path}"]
    try:
        chosen = settings_of(*given)
        check_reachable(chosen, "ingest")
        asked = True
        return stages.ingest(job_with(spark, chosen))
    except RecsysError as error:
        return error, asked


def ended(spark: SparkSession, poison: Poison, folder: Path) -> Ended:
    """What becomes of an input for itself."""
    found = ingested(spark, poison.write(folder / "source"), poison.settings, folder / "output")
    if isinstance(found, tuple):
        return Ended(*found)
    assert_books_balance(found)
    return Ended(None, True, found.reasons, accepted(found))


def ended_together(spark: SparkSession, poisons: list[Poison], folder: Path) -> list[Ended]:
    """What becomes of inputs with the same settings, their files together."""
    source = folder / "source"
    source.mkdir(parents=True)
    for n, poison in enumerate(poisons):
        for name, content in poison.joined(f".{n:03}.").items():
            (source / name).write_bytes(content)
    found = ingested(spark, source, poisons[0].settings, folder / "output")
    if isinstance(found, tuple):
        return [Ended(*found)] * len(poisons)
    assert_books_balance(found)
    rows, left_out = accepted(found), quarantined(found)
    return [
        Ended(None, True, left_out.get(f"{n:03}", {}), [row for row in rows if f".{n:03}." in row[1]])
        for n in range(len(poisons))
    ]


def accepted(found: Ingested) -> list[tuple[str, str]]:
    """User and item, as text, of each accepted rating."""
    table = ds.dataset(found.folder.path / "ratings").to_table(["user_id", "item_id"])
    return [(str(row["user_id"]), str(row["item_id"])) for row in table.to_pylist()]


def quarantined(found: Ingested) -> dict[str, dict[str, int]]:
    """By the first three letters of a file's name, rows by reason."""
    counts: dict[str, Counter[str]] = {}
    for row in ds.dataset(found.folder.path / "quarantine").to_table(["origin", "reason"]).to_pylist():
        counts.setdefault(Path(row["origin"]).name[:3], Counter())[row["reason"]] += 1
    return {name: dict(reasons) for name, reasons in counts.items()}


def assert_books_balance(found: Ingested) -> None:
    counts = found.counts
    assert counts["ratings_read"] == counts["ratings_accepted"] + counts["ratings_quarantined"]
    assert counts["ratings_accepted"] == len(accepted(found))
    assert counts["ratings_quarantined"] == sum(found.reasons.values())
    assert set(found.reasons) <= {*DEFECTS, *POLICIES}


def assert_told(error: RecsysError) -> None:
    """The message is ours: short, with a hint or not, and without Java in it."""
    text = str(error)
    assert len(text) < 1000, text
    for word in ("at org.apache", "py4j", "Traceback", "calling o", "\0"):
        assert word not in text


@pytest.fixture(scope="module")
def outcomes(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """What became of each input, by its name. Most of the time is Spark's planning, so that several go side by side."""
    folder = tmp_path_factory.mktemp("poison")
    groups: dict[tuple[str, ...], list[Poison]] = {}
    for n, poison in enumerate(CORPUS):
        groups.setdefault(poison.settings if poison.may_be_joined else (str(n),), []).append(poison)

    def of_group(poisons: list[Poison]) -> list[Ended]:
        place = folder / str(CORPUS.index(poisons[0]))
        return [ended(spark, poisons[0], place)] if len(poisons) == 1 else ended_together(spark, poisons, place)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(of_group, groups.values())
    return {
        poison.name: ended
        for poisons, ends in zip(groups.values(), found, strict=True)
        for poison, ended in zip(poisons, ends, strict=True)
    }


@pytest.mark.parametrize("poison", CORPUS, ids=lambda poison: poison.name)
def test_a_dirty_input_ends_as_the_table_says(outcomes: dict[str, Ended], poison: Poison) -> None:
    found, expected = outcomes[poison.name], poison.outcome
    if isinstance(expected, Refused):
        assert found.error is not None, found
        assert_told(found.error)
        assert (found.error.subject, found.error.exit_code) == (expected.subject, expected.exit_code)
        assert expected.message in found.error.message
        assert found.asked_spark != expected.before_spark
    else:
        assert found.error is None, found.error
        assert (found.reasons, len(found.ratings)) == (expected.reasons, expected.ratings)
        assert set(expected.users) <= {user for user, _ in found.ratings}


@pytest.mark.parametrize("poison", [p for p in CORPUS if p.may_be_joined], ids=lambda poison: poison.name)
def test_the_first_look_finds_nothing_wrong_with_what_is_accepted(tmp_path: Path, poison: Poison) -> None:
    path = poison.write(tmp_path / "source")
    chosen = config.load(Settings, [], [*SETTINGS, *poison.settings, f"source.path={path}"]).source

    assert list(input_problems(chosen, dict(chosen.columns), "source")) == []


def test_the_table_is_long_enough_and_names_each_input_once() -> None:
    assert len({poison.name for poison in CORPUS}) == len(CORPUS) >= 40


pieces = st.sampled_from(
    [b"\0", b"\xff", b"\xef\xbb\xbf", b'"', b"\r", b"\n", b"\r\n", b",", b",,,,", b"\\", b"=", b"\x1a"]
)
changes = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 30), pieces | st.binary(max_size=20)), max_size=12
)
"""Where in a file, how many bytes go, and what comes instead."""


@examples(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(changes=changes, multiline=st.booleans())
def test_a_file_with_changed_bytes_is_told_in_words_or_its_books_balance(
    spark: SparkSession,
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[float, int, bytes]],
    multiline: bool,
) -> None:
    content = rows().encode()
    for place, removed, inserted in changes:
        at = len(HEADER) + int(place * (len(content) - len(HEADER)))
        content = content[:at] + inserted + content[at + removed :]
    settings = (f"source.multiline={str(multiline).lower()}",)

    folder = tmp_path_factory.mktemp("changed")
    found = ended(spark, Poison("any", content, Accepted(0), settings), folder)

    if found.error is not None:
        assert_told(found.error)
