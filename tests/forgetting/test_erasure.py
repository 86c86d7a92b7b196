"""A forgotten user is in no file anymore, stays out, and nobody else loses anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import artifact, stages
from recsys_spark.forgetting import artefacts, erasure, notes, parquet
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.ingest.forgotten import Forgotten
from recsys_spark.manifest import read_manifest
from recsys_spark.storage import Folder
from recsys_spark.vectors import vectors
from tests.forgetting.decoding import Vectors, traces, vectors_of
from tests.forgetting.nights import World, night

TEXT = "zq-Ünkel@7f3a"
OTHERS = ("zq-Ünkel@7f3", "ann", "bob", "Zoë", "eve", "joe")


@pytest.fixture(scope="module")
def text_night(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A night in Parquet with ids of text; never changed."""
    return night(spark, tmp_path_factory.mktemp("text"), "parquet", TEXT, OTHERS)


@pytest.fixture
def world(text_night: World, tmp_path: Path) -> World:
    return text_night.copy(tmp_path)


def index_of(world: World, user: str | int) -> int:
    users = pd.read_parquet(world.output / "current" / "users")
    return int(users.set_index("user_id").user_index[user])


def learnt(world: World) -> Vectors:
    return vectors_of(world.output / "models", index_of(world, TEXT))


def tables(world: World) -> dict[str, pd.DataFrame]:
    """What readers see, without the rows of the user, in one order."""
    found = {}
    for name in ("top_n", "users", "ratings", "quarantine"):
        rows = pd.read_parquet(world.output / "current" / name)
        rows = rows[rows.user_id.str.strip() != TEXT] if "user_id" in rows else rows[~rows.raw.str.contains(TEXT)]
        found[name] = rows.drop(columns="attributes", errors="ignore").sort_values(list(rows.columns[:2]))
    return {name: rows.reset_index(drop=True) for name, rows in found.items()}


def test_every_kind_of_file_holds_the_user_before(text_night: World) -> None:
    found = " ".join(traces(text_night.output, TEXT, learnt(text_night)))

    places = "state/users top_n/ top_n_history user_outcomes/ users/ ratings/ quarantine/ _work/ingest"
    places += " top_users/ user_vectors/"
    for place in (*places.split(), "best.yaml", "summaries/run-0.json", "main.safetensors", "published/model.keras"):
        assert place in found


def test_no_file_holds_the_user_or_what_was_learnt_of_them(world: World) -> None:
    vectors = learnt(world)
    before = {name: pd.read_parquet(world.output / "current" / name) for name in ("ratings", "top_n", "users")}

    done = world.forget()

    assert traces(world.output, TEXT, vectors) == []
    counts = done.summary.counts
    assert (counts["users_forgotten"], counts["users_unknown"], counts["models_changed"]) == (1, 0, 1)
    for table, rows in before.items():
        assert counts[f"rows_removed_{table}"] == rows.user_id.str.strip().eq(TEXT).sum() > 1
    # unparsable, and two lines that could not be split
    assert counts["rows_removed_quarantine"] == 3
    assert Forgotten.load(done.run.state) == Forgotten.load(done.run.state).done()  # type: ignore[union-attr]


def test_nobody_else_loses_anything(world: World) -> None:
    before, gone = tables(world), [index_of(world, TEXT), index_of(world, f" {TEXT}")]
    models = {p.name: artifact.load(p)["main"] for p in (world.output / "models").iterdir()}

    world.forget()

    for name, rows in tables(world).items():
        pd.testing.assert_frame_equal(rows, before[name])
    for name, scorer in models.items():
        place = world.output / "models" / name
        after = artifact.load(place)["main"]
        expected = scorer.user.copy()
        expected[gone] = 0
        np.testing.assert_array_equal(after.user, expected)
        np.testing.assert_array_equal(after.item, scorer.item)
        assert read_manifest(place).vectors_erased == 2
        assert read_manifest(place).model_id == name


def test_the_keras_network_still_predicts_what_the_artefact_scores(world: World) -> None:
    import keras

    world.forget()

    place = next((world.output / "models").iterdir())
    target, scorer = read_manifest(place).description.target, artifact.load(place)["main"]
    network = keras.models.load_model(place / "published" / "model.keras", safe_mode=True)
    users = np.repeat(np.arange(scorer.n_users, dtype=np.int32), scorer.n_items)
    items = np.tile(np.arange(scorer.n_items, dtype=np.int32), scorer.n_users)
    predicted = network.predict({"user": users, "item": items}, verbose=0)[:, 0] * target["scale"] + target["offset"]
    np.testing.assert_allclose(scorer.score(users, items), predicted, rtol=1e-5, atol=1e-5)


def test_those_after_a_forgotten_user_move_up_in_lists_of_users(world: World) -> None:
    world.forget()

    lists = pd.read_parquet(world.output / "top_users" / "current").sort_values(["item_id", "rank"])
    assert lists[["rank", "user_id"]].to_numpy().tolist() == [[1, OTHERS[0]], [2, OTHERS[1]]] * 3


def test_the_published_vector_of_the_user_is_gone_and_those_of_all_others_stay(world: World) -> None:
    before = pd.read_parquet(world.output / "user_vectors" / "current")
    items = pd.read_parquet(world.output / "item_vectors" / "current")
    gone = before.user_id.str.strip() == TEXT
    assert gone.any()

    counts = world.forget().summary.counts

    after = pd.read_parquet(world.output / "user_vectors" / "current")
    pd.testing.assert_frame_equal(after, before[~gone].reset_index(drop=True))
    pd.testing.assert_frame_equal(pd.read_parquet(world.output / "item_vectors" / "current"), items)
    assert counts["rows_removed_user_vectors"] == gone.sum()


def test_vectors_that_are_made_after_it_hold_nobody_who_is_forgotten(world: World) -> None:
    everybody = set(pd.read_parquet(world.output / "user_vectors" / "current").user_id)
    world.forget()

    vectors(world.job())

    left = pd.read_parquet(world.output / "user_vectors" / "current")
    assert set(left.user_id) == {user for user in everybody if user.strip() != TEXT}
    assert all(vector.any() for vector in left.vector)


@pytest.mark.slow
def test_an_unchanged_source_does_not_bring_the_user_back(world: World, tmp_path: Path) -> None:
    before = world.job().folder("train")
    vectors = learnt(world)
    world.forget()

    ratings, users = world.ingested("ratings"), world.ingested("users")

    assert traces(world.output, TEXT, vectors) == []
    assert world.job().folder("train").location != before.location  # or a stage of before would be taken up again
    quarantine = world.ingested("quarantine")
    assert quarantine.reason.value_counts().to_dict() == {"forgotten": 10}
    assert set(quarantine.raw) == {"{}"}
    without = tmp_path / "without"
    without.mkdir()
    for name in ("ratings.txt", "users.csv"):
        lines = (world.folder / name).read_text().splitlines(keepends=True)
        (without / name).write_text("".join(line for line in lines if TEXT not in line))
    clean = World(world.spark, without, "parquet", TEXT)
    of_rating = ["user_id", "item_id", "rating", "timestamp", "part"]
    pd.testing.assert_frame_equal(
        clean.ingested("ratings")[of_rating].sort_values(of_rating[:2], ignore_index=True),
        ratings[of_rating].sort_values(of_rating[:2], ignore_index=True),
    )
    of_user = ["user_id", "n_ratings", "in_source", "attributes"]
    pd.testing.assert_frame_equal(
        clean.ingested("users")[of_user].sort_values("user_id", ignore_index=True),
        users[of_user].sort_values("user_id", ignore_index=True),
    )


def test_an_index_without_an_id_is_never_given_again(world: World) -> None:
    index, taken = index_of(world, TEXT), len(OTHERS) + 2  # one of them the same user with a blank
    others = {user: index_of(world, user) for user in OTHERS}
    world.forget()
    with (world.folder / "ratings.txt").open("a") as ratings:
        ratings.write("new::1::3::4\n")

    users = world.ingested("users").set_index("user_id").user_index

    assert {user: users[user] for user in OTHERS} == others
    assert users["new"] == taken
    assert index not in set(users)


@pytest.mark.slow
def test_a_night_after_it_trains_scores_and_publishes_for_all_others(world: World) -> None:
    world.forget()
    vocabularies = Vocabularies.load(Folder(str(world.output / "state")))
    assert vocabularies is not None

    job = world.job()
    stages.nightly(job)

    assert set(pd.read_parquet(world.output / "current" / "top_n").user_id) == set(OTHERS)
    model = artifact.load(world.output / "models" / str(job.summary.model_id))["main"]
    assert model.n_users == vocabularies.users.size == len(OTHERS) + 2
    assert traces(world.output, TEXT) == []


def test_forgetting_again_changes_nothing_and_knows_the_user(world: World) -> None:
    world.forget()
    before = {p: p.read_bytes() for p in world.output.rglob("*") if p.is_file() and "forgotten.json" not in p.name}

    again = world.forget().summary.counts

    assert (again["rows_removed"], again["models_changed"], again["users_unknown"]) == (0, 0, 0)
    assert {p: p.read_bytes() for p in before} == before


def test_an_id_that_was_never_seen_is_told_and_kept_out_all_the_same(world: World) -> None:
    counts = world.forget(TEXT, "stranger", "anna").summary.counts

    assert (counts["users_forgotten"], counts["users_unknown"]) == (3, 2)
    with (world.folder / "ratings.txt").open("a") as ratings:
        ratings.write("stranger::1::3::4\n stranger ::2::3::4\n")
    assert set(world.ingested("users").user_id) == set(OTHERS)
    assert traces(world.output, "stranger") == []


class StoppedError(Exception):
    """Instead of a kill."""


def at_call(number: int, action: Callable[..., object]) -> Callable[..., object]:
    """The action, which is stopped before it is done for the n-th time."""
    calls = []

    def stopping(*args: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == number:
            raise StoppedError
        return action(*args, **named)

    return stopping


@pytest.mark.parametrize(
    ("place", "name", "call"),
    [
        (parquet, "_remove_checksum", 1),  # the vocabulary's new file is written and not yet in its place
        (erasure, "take_out", 3),
        (erasure, "take_out", 5),
        (notes, "clean_found_settings", 1),
        (artefacts, "_networks", 1),
        (artifact, "_move_into_place", 1),
    ],
)
def test_a_job_that_was_stopped_anywhere_is_finished_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch, place: object, name: str, call: int
) -> None:
    vectors = learnt(world)
    with monkeypatch.context() as stopping:
        stopping.setattr(place, name, at_call(call, getattr(place, name)))
        with pytest.raises(StoppedError):
            world.forget()
    state = Folder(str(world.output / "state"))
    assert traces(world.output, TEXT, vectors) != []
    assert not Forgotten.load(state).finished  # type: ignore[union-attr]

    # somebody else's request will do
    world.forget("stranger")

    assert traces(world.output, TEXT, vectors) == []
    assert Forgotten.load(state).finished  # type: ignore[union-attr]
    assert artifact.load(next(p for p in (world.output / "models").iterdir()))


def test_an_artefact_between_two_renames_comes_back_and_is_cleaned(world: World) -> None:
    vectors = learnt(world)
    model = next((world.output / "models").iterdir())
    model.rename(model.with_name(f".{model.name}.0123abcd.old"))

    world.forget()

    assert [p.name for p in (world.output / "models").iterdir()] == [model.name]
    assert traces(world.output, TEXT, vectors) == []


def test_a_night_between_warns_that_users_are_still_to_be_erased(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as stopping:
        stopping.setattr(erasure, "erase_vectors", at_call(1, erasure.erase_vectors))
        with pytest.raises(StoppedError):
            world.forget()
    job = world.job()

    stages.ingest(job)

    assert "forget" in job.run.warnings[0]
