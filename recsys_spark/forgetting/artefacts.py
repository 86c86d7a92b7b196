"""Vectors taken out of artefacts: what a model has learnt of a user is set to zero, in every file that has it.

The artefact keeps its name, which tables, stages and people use; so that name is no hash of its content anymore, and
the manifest says of how many vectors that is so. Its file hashes and digests are those of the new files. The user's
share in what the model has learnt of items, and in its layers, stays until it is trained again: by the next night.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from recsys_spark import artifact
from recsys_spark.artifact import Artefact
from recsys_spark.kernels.arrays import F32, Flags
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.manifest import Manifest, Role, local_path, read_manifest

_WEIGHTS = "model.weights.h5"
_TABLE = re.compile(r"(.*/)?embedding(_\d+)?/vars")
"""Where a `.keras` file keeps the weights of a table, whatever the table's name."""


def erase_vectors(models: str, gone: Flags) -> int:
    """Set the vectors of users to zero in every artefact that has other numbers there; gives how many artefacts had.

    Args:
        models: the folder of all artefacts.
        gone: bool[n], by index; an artefact may know fewer users.

    Raises:
        ArtifactError: an artefact is damaged: it has to be deleted or restored first.
    """
    folder = local_path(models)
    if not folder.is_dir():
        return 0
    _mend(folder)
    return sum(_erase(place, gone) for place in sorted(folder.iterdir()) if place.is_dir())


def _mend(models: Path) -> None:
    """Put right what a stopped save or erasure has left: drafts go, an artefact between two renames comes back."""
    for old in models.glob(".*.old"):
        whole = models / old.name[1:].rsplit(".", 2)[0]
        if not whole.exists():
            old.rename(whole)
    for left in (*models.glob(".*.old"), *models.glob(".*.draft")):
        shutil.rmtree(left)


def _erase(place: Path, gone: Flags) -> bool:
    manifest = read_manifest(place)
    scorers: dict[Role, dict[str, PairScorer]] = {role: artifact.load(place, role) for role in manifest.scorers}
    erased: dict[Role, dict[str, PairScorer]] = {
        role: {name: _without_vectors(scorer, gone) for name, scorer in named.items()}
        for role, named in scorers.items()
    }
    weights = {fit: artifact.load_weights(place, fit) for fit in manifest.weights}
    kept = {fit: _without_rows(arrays, gone) for fit, arrays in weights.items()}
    with tempfile.TemporaryDirectory() as temporary:
        networks = dict(_networks(place, manifest, gone, Path(temporary)))
        as_before = all(erased[role][name] is s for role, named in scorers.items() for name, s in named.items())
        same_weights = all(kept[fit] is arrays for fit, arrays in weights.items())
        if as_before and same_weights and not any(changed for _, changed in networks.values()):
            return False
        files = {role: file for role, (file, _) in networks.items()}
        n_gone = int(gone[: max(s.n_users for named in scorers.values() for s in named.values())].sum())
        artifact.revise(place, Artefact(manifest.description, erased, files, kept), vectors_erased=n_gone)
    return True


def _without_vectors(scorer: PairScorer, gone: Flags) -> PairScorer:
    """The scorer with zeros in these rows; the same object if they are zeros already."""
    rows = np.flatnonzero(gone[: scorer.n_users])
    bias = scorer.user_bias
    if not scorer.user[rows].any() and (bias is None or not bias[rows].any()):
        return scorer
    return replace(scorer, user=_zeroed(scorer.user, rows), user_bias=None if bias is None else _zeroed(bias, rows))


def _without_rows(arrays: dict[str, F32], gone: Flags) -> dict[str, F32]:
    """What a fit has learned with zeros in these rows of the users' tables; the same object if they are zeros already.

    A warm start takes a row of zeros for one that was never trained.
    """
    tables = {name: np.flatnonzero(gone[: len(a)]) for name, a in arrays.items() if name.startswith("user_")}
    if not any(arrays[name][rows].any() for name, rows in tables.items()):
        return arrays
    return {name: _zeroed(a, tables[name]) if name in tables else a for name, a in arrays.items()}


def _zeroed(tensor: F32, rows: np.ndarray) -> F32:
    changed = tensor.copy()
    changed[rows] = 0
    return changed


def _networks(place: Path, manifest: Manifest, gone: Flags, scratch: Path) -> list[tuple[Role, tuple[Path, bool]]]:
    """For each role its Keras network without the vectors, and whether it had any."""
    found: list[tuple[Role, tuple[Path, bool]]] = []
    for role in manifest.scorers:
        name = f"{role}/model.keras"
        if name in manifest.files:
            target = scratch / f"{role}.keras"
            found.append((role, (target, _network_without(place / name, gone, target))))
    return found


def _network_without(network: Path, gone: Flags, target: Path) -> bool:
    """Copy a `.keras` file, the users' tables with zeros in these rows; gives whether there was anything else."""
    weights = target.with_suffix(".h5")
    with zipfile.ZipFile(network) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        with old.open(_WEIGHTS) as source, weights.open("wb") as copy:
            shutil.copyfileobj(source, copy)
        changed = _zero_tables(weights, gone)
        for entry in old.infolist():
            if entry.filename == _WEIGHTS:
                new.write(weights, _WEIGHTS)
            else:
                new.writestr(entry, old.read(entry))
    weights.unlink()
    return changed


def _zero_tables(weights: Path, gone: Flags) -> bool:
    """Zero rows of the tables whose layers are named after the user, in place: the tables lie in one piece each."""
    import h5py

    changed = False
    with h5py.File(weights, "r+") as file:
        tables: list[h5py.Group] = []
        file.visititems(lambda path, entry: tables.append(entry) if _TABLE.fullmatch(path) else None)
        for table in tables:
            if str(table.attrs.get("name", "")).startswith("user_"):
                values = table["0"][()]
                rows = np.flatnonzero(gone[: len(values)])
                if values[rows].any():
                    values[rows] = 0
                    table["0"][...] = values
                    changed = True
    return changed
