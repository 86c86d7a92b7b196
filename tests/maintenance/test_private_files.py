"""Which stages, models, additions, summaries and temporaries may go, and which stay."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recsys_spark.ingest.encoding import Addition, Vocabularies, Vocabulary
from recsys_spark.maintenance.models import old_models, put_back
from recsys_spark.maintenance.state import unlisted_additions
from recsys_spark.maintenance.summaries import old_summaries
from recsys_spark.maintenance.temporaries import RUN_ID, unnamed_files
from recsys_spark.maintenance.work import models_of_stages, old_stages, stages_of_visible_run
from recsys_spark.run import Run
from recsys_spark.storage import Folder
from tests.maintenance.leavings import HEX, put, removed, tree

MADE = {"created_at": "2026-01-01T00:00:00+00:00"}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path))


class TestStages:
    def test_the_newest_finished_folders_of_each_stage_stay_and_the_needed_ones(self, folder: Folder) -> None:
        for days, key in ((1, "new"), (5, "mid"), (9, "old")):
            for stage in ("ingest", "train"):
                put(folder.path / f"{stage}-{key}" / "stage.json", "{}", days_old=days)

        removed(old_stages(folder, needed={"ingest-old"}, keep=2))

        assert folder.children() == ["ingest-mid", "ingest-new", "ingest-old", "train-mid", "train-new"]

    def test_a_folder_without_a_record_is_half_written(self, folder: Folder) -> None:
        put(folder.path / "ingest-1" / "stage.json", "{}")
        put(folder.path / "score-1" / "lists" / "part-0.parquet")
        put(folder.path / "top_users-20260101T000000-abcdef" / "part-0.parquet")

        done = removed(old_stages(folder, needed={"score-1"}, keep=1))

        assert folder.children() == ["ingest-1"]
        assert done.number == {"stages": 2}

    def test_what_is_no_stage_is_left_alone(self, folder: Folder) -> None:
        put(folder.path / "lock")

        assert list(old_stages(folder, needed=set(), keep=0)) == []

    def test_the_visible_run_names_the_folders_that_it_was_staged_in(self, folder: Folder) -> None:
        assert stages_of_visible_run(folder) == set()

        places = {"run_id": "20260101T000000-abcdef", "ingest": "/out/_work/ingest-1", "score": "/out/_work/score-1"}
        folder.write_json("scored.json", places)

        assert stages_of_visible_run(folder) == {"ingest-1", "score-1"}

    def test_models_are_those_that_records_name(self, folder: Folder) -> None:
        put(folder.path / "ingest-1" / "stage.json", {"counts": {}})
        put(folder.path / "evaluate-1" / "stage.json", "[]")
        put(folder.path / "train-1" / "stage.json", {"model_id": "dot-1"})
        put(folder.path / "train-2" / "half.parquet")

        assert models_of_stages(folder) == {"dot-1"}


class TestModels:
    def test_the_newest_stay_and_the_needed_however_old_they_are(self, folder: Folder) -> None:
        for month in range(1, 6):
            put(folder.path / f"dot-{month}" / "manifest.json", {"created_at": f"2026-0{month}-01T00:00:00+00:00"})
            put(folder.path / f"dot-{month}" / "published" / "main.safetensors")

        removed(old_models(folder, needed={"dot-1", "dot-4"}, keep=2))

        assert folder.children() == ["dot-1", "dot-4", "dot-5"]

    def test_a_damaged_one_goes_first_unless_something_names_it(self, folder: Folder) -> None:
        put(folder.path / "dot-0" / "manifest.json", MADE)
        put(folder.path / "mlp-1" / "manifest.json", "{")
        put(folder.path / "mlp-2" / "published" / "main.safetensors")

        removed(old_models(folder, needed={"mlp-2"}, keep=1))

        assert folder.children() == ["dot-0", "mlp-2"]

    def test_what_a_save_has_left_unfinished_goes(self, folder: Folder) -> None:
        put(folder.path / "dot-1" / "manifest.json", MADE)
        put(folder.path / f".dot.{HEX}.draft" / "published" / "main.safetensors")
        put(folder.path / f".dot-1.{HEX}.old" / "manifest.json")

        assert put_back(folder) == []
        done = removed(old_models(folder, needed=set(), keep=7))

        assert folder.children() == ["dot-1"]
        assert done.number == {"temporaries": 2}

    def test_one_that_was_put_aside_and_never_replaced_gets_its_name_again(self, folder: Folder) -> None:
        put(folder.path / f".dot-1.{HEX}.old" / "manifest.json", MADE)

        assert put_back(folder) == ["dot-1"]
        removed(old_models(folder, needed=set(), keep=7))

        assert tree(folder.path) == {"dot-1", "dot-1/manifest.json"}


class TestState:
    def test_additions_that_the_vocabularies_list_stay_and_all_others_go(self, folder: Folder) -> None:
        listed = [f"{side}/000000-20260101T000000-abcdef" for side in ("users", "items")]
        for place in (*listed, "users/000001-20260102T000000-abcdef"):
            put(folder.path / place / "part-0.parquet")
        users, items = (Vocabulary("long", (Addition(place, 3, "d"),)) for place in listed)
        Vocabularies(users, items).save(folder)

        done = removed(unlisted_additions(folder))

        assert {str(place.relative_to(folder.path)) for place in folder.path.glob("*/*")} == set(listed)
        assert done.number == {"additions": 1}

    def test_of_a_first_night_that_never_came_to_its_end_nothing_stays(self, folder: Folder) -> None:
        put(folder.path / "items" / "000000-20260101T000000-abcdef" / "part-0.parquet")

        removed(unlisted_additions(folder))

        assert (folder / "items").children() == []


class TestSummaries:
    def test_the_newest_and_those_of_kept_runs_stay(self, folder: Folder) -> None:
        for day in range(1, 6):
            put(folder.path / f"2026010{day}T000000-abcdef.json", "{}")

        removed(old_summaries(folder, needed={"20260102T000000-abcdef"}, keep=2))

        assert [name[6:8] for name in folder.children()] == ["02", "04", "05"]

    def test_none_are_kept_where_none_are_wanted(self, folder: Folder) -> None:
        put(folder.path / "20260101T000000-abcdef.json", "{}")

        removed(old_summaries(folder, needed=set(), keep=0))

        assert folder.children() == []


class TestTemporaries:
    def test_small_files_that_never_got_their_name_go_wherever_they_are(self, folder: Folder) -> None:
        run_id = "20260101T000000-abcdef"
        unnamed = [
            f".current.json.{HEX}",
            f"state/.vocabularies.json.{HEX}",
            f"state/lock/.000001.json.{HEX}",
            f"summaries/.{run_id}.json.{HEX}",
            f"_work/train-1/.stage.json.{HEX}",
            f"top_users/.current.json.{HEX}",
            "tuning/0123456789abcdef/.best.yaml",
            f".current.{run_id}",
            f"top_users/.current.{run_id}",
        ]
        named = ["current.json", "state/vocabularies.json", "_work/train-1/stage.json", ".lock", "top_n/part-0.parquet"]
        for place in (*unnamed, *named):
            put(folder.path / place)

        done = removed(unnamed_files(folder))

        assert done.number == {"temporaries": len(unnamed)}
        assert {str(p.relative_to(folder.path)) for p in folder.path.rglob("*") if p.is_file()} == set(named)

    def test_a_file_that_a_kill_left_unwritten_has_such_a_name(self, folder: Folder) -> None:
        writer = Folder(str(folder))
        writer._opened = (_Killed(folder.arrow[0]), str(folder))  # type: ignore[assignment]
        with pytest.raises(KeyboardInterrupt):
            writer.write_json("state.json", {})

        assert len(folder.children()) == 1
        assert [leftover.place.name for leftover in unnamed_files(folder)] == folder.children()

    def test_a_run_has_an_id_of_the_form_that_is_looked_for(self, folder: Folder) -> None:
        assert re.fullmatch(RUN_ID, Run.start(folder).run_id)


class _Killed:
    """A file system whose process is killed before a file gets its name."""

    def __init__(self, files: object) -> None:
        self._files = files

    def __getattr__(self, name: str) -> object:
        return getattr(self._files, name)

    def move(self, source: str, target: str) -> None:
        raise KeyboardInterrupt
