"""How leftovers go: not while they are young, what makes them count first, and each for itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from recsys_spark.maintenance.leftovers import Leftover, Removed, readable, remove
from recsys_spark.storage import Folder
from tests.maintenance.leavings import NOW, put, removed, tree


def test_a_folder_goes_with_all_that_is_in_it_and_is_counted(tmp_path: Path) -> None:
    put(tmp_path / "score-1" / "lists" / "part-0.parquet", "1234567")
    put(tmp_path / "score-1" / "lists" / "part-1.parquet", "123")

    done = removed([Leftover("stages", Folder(str(tmp_path / "score-1")))])

    assert tree(tmp_path) == set()
    assert done.counts() == {"removed_stages": 1, "removed_stages_bytes": 10}
    assert str(done) == "stages 1 (10 B)"


def test_what_was_written_to_lately_stays_also_if_only_a_file_deep_inside_is_new(tmp_path: Path) -> None:
    put(tmp_path / "score-1" / "lists" / "new.parquet", days_old=1)
    put(tmp_path / "score-1" / "old.parquet", days_old=9)
    leftover = [Leftover("stages", Folder(str(tmp_path / "score-1")))]

    assert removed(leftover, before=NOW - timedelta(days=2)).counts() == {}
    assert removed(leftover, before=NOW).counts()["removed_stages"] == 1


def test_the_record_goes_first_so_that_a_kill_leaves_nothing_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "train-1" / "stage.json")
    put(tmp_path / "train-1" / "data.parquet")
    delete = Folder.delete

    def killed(folder: Folder) -> None:
        if folder.name == "train-1":
            raise KeyboardInterrupt
        delete(folder)

    monkeypatch.setattr(Folder, "delete", killed)
    with pytest.raises(KeyboardInterrupt):
        removed([Leftover("stages", Folder(str(tmp_path / "train-1")), record="stage.json")])

    assert tree(tmp_path) == {"train-1", "train-1/data.parquet"}


def test_a_part_that_readers_see_first_gets_a_name_that_they_skip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = put(tmp_path / "top_n_history" / "run_id=1" / "part-0.parquet").parent
    hidden = Leftover("runs", Folder(str(part)), hidden_as="_unfinished-1")

    def killed(folder: Folder) -> None:
        if folder.exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Folder, "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            removed([hidden])
    assert tree(tmp_path / "top_n_history") == {"_unfinished-1", "_unfinished-1/part-0.parquet"}

    put(part / "part-0.parquet")
    removed([hidden])
    assert tree(tmp_path / "top_n_history") == set()


def test_one_that_cannot_be_removed_is_told_and_the_others_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        put(tmp_path / name / "file")
    delete = Folder.delete

    def refuse_a(folder: Folder) -> None:
        if folder.name == "a":
            raise PermissionError("not yours")
        delete(folder)

    monkeypatch.setattr(Folder, "delete", refuse_a)
    done = Removed()
    complaints: list[str] = []
    leftovers = [Leftover("stages", Folder(str(tmp_path / name))) for name in ("a", "b")]
    remove(leftovers, before=NOW, removed=done, complain=complaints.append)

    assert complaints == [f"{tmp_path}/a could not be removed: not yours"]
    assert done.counts()["removed_stages"] == 1
    assert not (tmp_path / "b").exists()


def test_of_a_link_the_link_alone_goes(tmp_path: Path) -> None:
    put(tmp_path / "published" / "run" / "part-0.parquet")
    (tmp_path / ".current.run").symlink_to("published/run")
    (tmp_path / ".current.gone").symlink_to("published/gone")
    links = [Leftover("temporaries", Folder(str(tmp_path / name))) for name in (".current.run", ".current.gone")]

    removed(links, before=NOW.replace(year=2100))

    assert tree(tmp_path) == {"published", "published/run", "published/run/part-0.parquet"}


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_345_678, "2.3 MB"), (5e15, "5000.0 TB")]
)
def test_bytes_are_told_as_a_person_reads_them(n_bytes: float, text: str) -> None:
    assert readable(n_bytes) == text
