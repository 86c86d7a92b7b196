"""Small files are replaced as a whole, and a folder is the same by whichever name."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from recsys_spark.storage import Folder


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "deep" / "inside"))
    assert folder.read_json("state.json") is None

    folder.write_json("state.json", {"Zoë": [1, 2.5, None]})
    assert folder.read_json("state.json") == {"Zoë": [1, 2.5, None]}

    folder.write_json("state.json", [])
    assert folder.read_json("state.json") == []
    assert folder.children() == ["state.json"]


def test_a_reader_sees_the_old_content_or_the_new_one_and_never_a_part(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    contents = [{"version": version, "filling": ["x" * 1000] * 200} for version in range(2)]
    folder.write_json("state.json", contents[0])
    done = threading.Event()
    seen: list[object] = []

    def read_on() -> None:
        reader = Folder(str(tmp_path))
        while not done.is_set():
            try:
                found = reader.read_json("state.json")
                seen.append(found["version"] if found in contents else "a part")
            except Exception as error:
                seen.append(repr(error))

    thread = threading.Thread(target=read_on)
    thread.start()
    try:
        for turn in range(60):
            folder.write_json("state.json", contents[turn % 2])
    finally:
        done.set()
        thread.join()

    assert set(seen) == {0, 1}


def test_a_write_that_fails_leaves_the_old_content(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    folder.write_json("state.json", {"version": 1})

    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="Circular"):
        folder.write_json("state.json", loop)

    assert folder.read_json("state.json") == {"version": 1}


def test_children_are_sorted_names_and_none_where_there_is_no_folder(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "deeper").mkdir()

    assert Folder(str(tmp_path)).children() == ["a", "b", "c"]
    assert Folder(str(tmp_path / "none")).children() == []
    assert not Folder(str(tmp_path / "none")).exists()


def test_parquet_files_are_those_directly_inside_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("part-00001.parquet", "part-00000.parquet", "_hidden.parquet", ".part-00002.parquet", "_SUCCESS"):
        (tmp_path / name).touch()
    (tmp_path / "sub.parquet").mkdir()

    files = Folder(str(tmp_path)).parquet_files()

    assert [Path(file).name for file in files][:2] == ["part-00000.parquet", "part-00001.parquet"]
    assert not [file for file in files if "hidden" in file or "00002" in file or "_SUCCESS" in file]
    assert Folder(str(tmp_path / "none")).parquet_files() == []


def test_a_moved_folder_replaces_the_one_in_its_way(tmp_path: Path) -> None:
    old, new = Folder(str(tmp_path / "old")), Folder(str(tmp_path / "new"))
    old.write_json("old.json", 1)
    new.write_json("new.json", 2)

    new.move(old)

    assert old.children() == ["new.json"]
    assert not new.exists()


def test_a_deleted_folder_is_gone_with_everything_in_it_also_the_second_time(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "a"))
    (folder / "b" / "c").write_json("x.json", 1)

    folder.delete()
    folder.delete()

    assert not folder.exists()
    assert tmp_path.exists()


@pytest.mark.parametrize("form", ["{}", "file://{}", "file:{}", "{}/", "file://{}/"])
def test_a_local_folder_has_one_location_by_whichever_name(tmp_path: Path, form: str) -> None:
    folder = Folder(form.format(tmp_path))

    assert folder.is_local
    assert str(folder) == str(tmp_path)
    assert folder.path == tmp_path
    assert str(folder / "a" / "b") == str(tmp_path / "a" / "b")


def test_a_relative_location_is_taken_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Folder("out")
    monkeypatch.chdir("/")

    assert folder.path == tmp_path / "out"


def test_a_remote_location_stays_as_it_is_and_is_no_local_path() -> None:
    folder = Folder("s3a://bucket/out/")

    assert not folder.is_local
    assert str(folder / "state") == "s3a://bucket/out/state"
    with pytest.raises(ValueError, match="s3a://bucket/out"):
        _ = folder.path


def test_of_several_who_create_a_file_one_does_and_its_content_stays(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "new"))

    created = [folder.create_json("state.json", {"version": version}) for version in range(3)]

    assert created == [True, False, False]
    assert folder.read_json("state.json") == {"version": 0}
    assert folder.children() == ["state.json"]
    folder.delete_file("state.json")
    folder.delete_file("state.json")
    assert folder.create_json("state.json", {"version": 3})


def test_a_copy_has_every_file_and_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "here"))
    (folder / "inside").write_json("one.json", 1)
    folder.write_json(".two.json", 2)

    folder.copy(Folder(str(tmp_path / "there")))

    for name in ("here", "there"):
        copied = Folder(str(tmp_path / name))
        assert (copied / "inside").read_json("one.json") == 1
        assert copied.read_json(".two.json") == 2
