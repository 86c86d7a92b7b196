"""The states of fits on disk, from which a job that was killed goes on: plain arrays and JSON, never a pickle.

    checkpoints/<fit>.json           which state counts: what it belongs to, its file's sha256, the history
    checkpoints/<fit>-<epoch>.npz    its arrays

The JSON file is replaced atomically, after the arrays are written. A state whose file is missing, torn or changed, or
that belongs to other rows, settings or code, counts as none: the fit begins anew.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys_spark import __version__
from recsys_spark.storage import Folder
from recsys_spark.training.epochs import EpochResult
from recsys_spark.training.rows import TrainingRows

Arrays = Mapping[str, npt.NDArray[Any]]

_PAUSE = 19
"""So many times as long as keeping a state took, none is kept: it takes a twentieth of the time at most."""


@dataclass(frozen=True, eq=False)
class FitState:
    """Where a fit stands after an epoch.

    Args:
        epoch: epochs that have been run.
        over: no other epoch will be run; the arrays are the outcome alone, without what only going on needs.
        arrays: by name.
        history: of all epochs run.
        values: what is no array, plain values.
    """

    epoch: int
    over: bool
    arrays: Arrays
    history: tuple[EpochResult, ...]
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Checkpoints:
    """Where the fits of one training keep their states.

    Args:
        folder: of this training alone; made when there is something to keep.
        seconds: between two states of a fit, at least; 0: after each epoch; none: nothing is kept, and nothing was.
        say: told when a fit goes on from a state.
        resumed: gets the epochs that a fit did not have to run again, by the fit's name.
    """

    folder: Folder
    seconds: float | None
    say: Callable[[str], None] = lambda _: None
    resumed: dict[str, int] = field(default_factory=dict)

    def of(self, fit: str, key: str) -> KeptFit:
        """The states of one fit.

        Args:
            fit: its name.
            key: see `fit_key`.
        """
        return KeptFit(None if self.seconds is None else self, fit, key)


class KeptFit:
    """The states that one fit keeps, of which the last one counts.

    Args:
        checkpoints: where; none: nothing is kept, and nothing was.
        fit: its name.
        key: of all that the weights depend on.
    """

    def __init__(self, checkpoints: Checkpoints | None, fit: str, key: str) -> None:
        self._checkpoints, self._fit, self._key = checkpoints, fit, key
        seconds = 0.0 if checkpoints is None else checkpoints.seconds or 0.0
        self._not_before = time.monotonic() + seconds

    def last(self) -> FitState | None:
        """The state to go on from; none: there is none, or none that can be believed."""
        if self._checkpoints is None:
            return None
        try:
            state = self._read(self._checkpoints.folder)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            # whatever a killed job or a full disk has left there: the fit begins anew
            return None
        if state is not None:
            self._checkpoints.resumed[self._fit] = state.epoch
            what = "is done already" if state.over else "goes on from its last checkpoint"
            self._checkpoints.say(f"{self._fit} fit {what}: {state.epoch} epochs are not run again")
        return state

    def is_due(self) -> bool:
        """Whether it is time to keep a state."""
        return self._checkpoints is not None and time.monotonic() >= self._not_before

    def keep(self, state: FitState) -> None:
        """Make this the state that counts; nothing happens where nothing is to be kept."""
        if self._checkpoints is None:
            return
        begun = time.monotonic()
        try:
            self._write(self._checkpoints.folder, state)
        except OSError as error:
            # hours of training are worth more than a state of them
            self._checkpoints.say(f"{self._fit} fit: its state could not be kept: {error}")
        ended, seconds = time.monotonic(), self._checkpoints.seconds
        self._not_before = ended + max(seconds, _PAUSE * (ended - begun)) if seconds else ended

    def _read(self, folder: Folder) -> FitState | None:
        record = folder.read_json(f"{self._fit}.json")
        if record is None or record["key"] != self._key:
            return None
        files, path = folder.arrow
        with files.open_input_stream(f"{path}/{record['file']}", compression=None) as stream:
            content = stream.read()
        if hashlib.sha256(content).hexdigest() != record["sha256"]:
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        history = tuple(EpochResult(**result) for result in record["history"])
        return FitState(record["epoch"], record["over"], arrays, history, record["values"])

    def _write(self, folder: Folder, state: FitState) -> None:
        files, path = folder.arrow
        files.create_dir(path, recursive=True)
        file = f"{self._fit}-{state.epoch:06d}{'-over' if state.over else ''}.npz"
        with files.open_output_stream(f"{path}/{file}", compression=None) as stream:
            hashed = _Hashed(stream)
            np.savez(hashed, **state.arrays)  # type: ignore[arg-type]
        record = {
            "key": self._key,
            "file": file,
            "sha256": hashed.sha256.hexdigest(),
            "epoch": state.epoch,
            "over": state.over,
            "values": state.values,
            "history": [result._asdict() for result in state.history],
        }
        folder.write_json(f"{self._fit}.json", record)
        for name in folder.children():
            if name.startswith(f"{self._fit}-") and name != file:
                files.delete_file(f"{path}/{name}")


class _Hashed(io.RawIOBase):
    """A stream whose bytes are hashed on their way to another one, so that no copy of them is held."""

    def __init__(self, stream: Any) -> None:
        self._stream, self.sha256 = stream, hashlib.sha256()

    def write(self, data: Any) -> int:
        """See `io.RawIOBase`."""
        self.sha256.update(data)
        self._stream.write(data)
        return memoryview(data).nbytes


def fit_key(values: Mapping[str, Any], rows: Iterable[TrainingRows | None], arrays: Iterable[Arrays]) -> str:
    """A hash of all that a fit's weights depend on: code and libraries, settings, rows, features, first weights.

    Args:
        values: plain values.
        rows: read once from end to end.
        arrays: in any number.
    """
    import keras
    import tensorflow as tf

    code = [__version__, keras.__version__, tf.__version__]
    digest = hashlib.sha256(json.dumps([code, values], sort_keys=True, default=str).encode())
    for part in rows:
        digest.update(f"rows {0 if part is None else len(part)}".encode())
        for chunk in part.chunks() if part is not None else ():
            for column in (chunk.user, chunk.item, chunk.rating, chunk.day):
                if column is not None:
                    digest.update(np.ascontiguousarray(column).data)
    for named in arrays:
        for name, array in named.items():
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
