"""Small files under the output folder, on a local or a remote file system, replaced atomically."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.fs as pafs


class Contents(NamedTuple):
    """What lies in a folder."""

    files: int
    bytes: int

    changed: datetime | None
    """When the newest of it was written, UTC; none: there is nothing, or the file system does not say."""


class Folder:
    """A folder by path or URI (`/data/out`, `s3a://bucket/out`), as Spark and as pyarrow name it.

    Args:
        location: a path, taken relative to the working directory (also as `file:///...` or, as Hadoop prints it,
            `file:/...`), or a URI that both Spark and pyarrow can open.
    """

    def __init__(self, location: str) -> None:
        self.is_local = "://" not in location or location.startswith("file://")
        local = str(Path(location.removeprefix("file://").removeprefix("file:")).absolute())
        self.location = local if self.is_local else location.rstrip("/")
        self._opened: tuple[pafs.FileSystem, str] | None = None

    def __truediv__(self, name: str) -> Folder:
        return Folder(f"{self.location}/{name}")

    def __str__(self) -> str:
        return self.location

    @property
    def parent(self) -> Folder:
        """The folder that this one lies in."""
        return Folder(self.location.rpartition("/")[0])

    @property
    def name(self) -> str:
        """Its own name."""
        return self.location.rpartition("/")[2]

    @property
    def path(self) -> Path:
        """The folder as a local path."""
        if not self.is_local:
            raise ValueError(f"{self.location} is not a local folder")
        return Path(self.location)

    @property
    def arrow(self) -> tuple[pafs.FileSystem, str]:
        """pyarrow's file system and the path inside it."""
        if self._opened is None:
            uri = self.location.replace("s3a://", "s3://", 1)
            self._opened = (pafs.LocalFileSystem(), uri) if self.is_local else pafs.FileSystem.from_uri(uri)
        return self._opened

    def exists(self) -> bool:
        """Whether there is a file or folder of this name."""
        files, path = self.arrow
        return bool(files.get_file_info(path).type != pafs.FileType.NotFound)

    def parquet_files(self) -> list[str]:
        """The Parquet files directly in the folder, in the order of their names, as pyarrow names them."""
        files, path = self.arrow
        found = files.get_file_info(pafs.FileSelector(path, allow_not_found=True))
        return sorted(f.path for f in found if f.path.endswith(".parquet") and not f.base_name.startswith(("_", ".")))

    def children(self) -> list[str]:
        """The names directly in the folder, sorted; none if it does not exist."""
        if self.is_local:
            # pyarrow does not name links that lead nowhere
            return sorted(entry.name for entry in self.path.iterdir()) if self.path.is_dir() else []
        files, path = self.arrow
        return sorted(f.base_name for f in files.get_file_info(pafs.FileSelector(path, allow_not_found=True)))

    def subfolders(self) -> list[str]:
        """The names of the folders directly inside, sorted; links are none."""
        files, path = self.arrow
        found = files.get_file_info(pafs.FileSelector(path, allow_not_found=True))
        names = sorted(f.base_name for f in found if f.type == pafs.FileType.Directory)
        return [name for name in names if not (self / name)._is_link]

    def read_json(self, name: str) -> Any:
        """What a JSON file of the folder holds; none if there is no such file."""
        files, path = self.arrow
        try:
            with files.open_input_stream(f"{path}/{name}", compression=None) as stream:
                return json.loads(stream.read())
        except FileNotFoundError:
            return None

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file so that a reader sees the old content or the new one, never a part."""
        self.write_text(name, json.dumps(value, indent=2, default=str))

    def write_text(self, name: str, text: str) -> None:
        """Write a text file so that a reader sees the old content or the new one, never a part."""
        files, path = self.arrow
        files.create_dir(path, recursive=True)
        temporary = f"{path}/.{name}.{uuid.uuid4().hex}"
        with files.open_output_stream(temporary, compression=None) as stream:
            stream.write(text.encode())
        files.move(temporary, f"{path}/{name}")

    def create_json(self, name: str, value: Any) -> bool:
        """Write a JSON file unless there is one of that name: of several who try at the same time one succeeds.

        Returns:
            Whether it was written.

        Raises:
            ValueError: the folder is not a local one; pyarrow cannot ask other stores for this.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        draft = self.path / f".{name}.{uuid.uuid4().hex}"
        draft.write_text(json.dumps(value, indent=2, default=str), encoding="utf-8")
        try:
            # a link appears with its whole content, and never replaces a file
            os.link(draft, self.path / name)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        return True

    def delete_file(self, name: str) -> None:
        """Remove a file of the folder; nothing happens if it does not exist."""
        files, path = self.arrow
        with contextlib.suppress(FileNotFoundError):
            files.delete_file(f"{path}/{name}")

    def contents(self) -> Contents:
        """What lies here, all the way down; of a plain file, the file; of a link, the link."""
        if self._is_link:
            return Contents(1, 0, datetime.fromtimestamp(self.path.lstat().st_mtime, UTC))
        files, path = self.arrow
        found = [files.get_file_info(path)]
        if found[0].type == pafs.FileType.Directory:
            found += files.get_file_info(pafs.FileSelector(path, recursive=True))
        plain = [info for info in found if info.type == pafs.FileType.File]
        changed = [info.mtime for info in found if info.mtime is not None]
        return Contents(len(plain), sum(info.size for info in plain), max(changed, default=None))

    def files(self) -> Iterator[tuple[str, Contents]]:
        """Every file in the folder, all the way down: its path in it, and what it holds."""
        files, path = self.arrow
        for info in files.get_file_info(pafs.FileSelector(path, recursive=True, allow_not_found=True)):
            if info.type == pafs.FileType.File:
                yield info.path[len(path) + 1 :], Contents(1, info.size, info.mtime)

    def delete(self) -> None:
        """Remove the folder and all that is in it, or the file; nothing happens if it does not exist.

        Of a link the link alone goes.
        """
        files, path = self.arrow
        if self._is_link:
            self.path.unlink()
            return
        kind = files.get_file_info(path).type
        if kind == pafs.FileType.Directory:
            files.delete_dir(path)
        elif kind == pafs.FileType.File:
            files.delete_file(path)

    def copy(self, target: Folder) -> None:
        """Copy the folder with all that is in it, file by file."""
        files, path = self.arrow
        there = target.arrow[1]
        for found in files.get_file_info(pafs.FileSelector(path, recursive=True)):
            if found.is_file:
                copied = there + found.path.removeprefix(path)
                files.create_dir(copied.rpartition("/")[0], recursive=True)
                files.copy_file(found.path, copied)

    def move(self, target: Folder) -> None:
        """Rename the folder; on a local file system that is atomic. A folder that is in the way is replaced."""
        files, path = self.arrow
        target.delete()
        files.move(path, target.arrow[1])

    @property
    def _is_link(self) -> bool:
        return self.is_local and self.path.is_symlink()
