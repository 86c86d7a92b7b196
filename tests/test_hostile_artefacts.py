"""Model folders made by somebody who wishes harm, or damaged by nobody: refused as a whole, and nothing of them runs.

Every forgery here is vouched for by a manifest with the right sizes and hashes, since who can write the files of a
folder can write its manifest, too. What would run, runs `touch CANARY`.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from recsys_spark import artifact
from recsys_spark.artifact import Artefact
from recsys_spark.errors import ArtifactError
from recsys_spark.ingest.encoding import Addition, Vocabularies, Vocabulary
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.manifest import Description, file_record, read_manifest
from recsys_spark.network_file import MAX_CONFIGURATION
from recsys_spark.stored_models import check_fits, scorers_for
from recsys_spark.tensor_file import MAX_HEADER, check_header

USERS = Vocabulary("long", (Addition("users/0", 3, "a"), Addition("users/1", 2, "b")))
ITEMS = Vocabulary("string", (Addition("items/0", 6, "c"),))
TODAY = Vocabularies(USERS, ITEMS)
FITTED_ON = {side: {"size": v.size, "digest": v.digest} for side, v in (("user", USERS), ("item", ITEMS))}
MAIN = PairScorer(np.ones((5, 3), np.float32), np.arange(18, dtype=np.float32).reshape(6, 3))
TENSORS, NETWORK = "published/main.safetensors", "published/model.keras"


class Harm:
    """Runs a command when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch '{self.canary}'",)


LAYER = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1, "activation": "relu"}}
HDF5 = b"\x89HDF\r\n\x1a\n and what follows"


def network(configuration: Any = LAYER, more: Mapping[str, bytes] | None = None, *, weights: bytes = HDF5) -> bytes:
    """A `.keras` archive, as far as it is looked at."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        text = configuration if isinstance(configuration, str | bytes) else json.dumps(configuration)
        members = {"metadata.json": b"{}", "config.json": text, "model.weights.h5": weights, **(more or {})}
        for name, content in members.items():
            file.writestr(name, content)
    return archive.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound artefact with a network."""
    keras_file = tmp_path / "sound.keras"
    keras_file.write_bytes(network())
    description = Description("dot", vocabularies=FITTED_ON)
    scorers = {"published": {"main": MAIN}, "evaluated": {"main": MAIN}}
    return artifact.save(tmp_path / "models", Artefact(description, scorers, {"published": keras_file}))


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def forge(folder: Path, name: str, content: bytes) -> None:
    """Put content into a file, and make the manifest vouch for it."""
    (folder / name).write_bytes(content)
    record = file_record(folder / name)
    change(folder, lambda m: m["files"].update({name: {"sha256": record.sha256, "bytes": record.bytes}}))


def change(folder: Path, how: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    how(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Why the folder is refused; no tensor of it may have been read by then."""
    read: list[Path] = []
    monkeypatch.setattr(artifact, "load_file", read.append)
    with pytest.raises(ArtifactError) as raised:
        scorers_for(str(folder), TODAY)
    assert read == []
    assert str(folder) in str(raised.value)
    assert raised.value.exit_code == 3
    return str(raised.value)


def test_a_sound_artefact_is_loaded_also_through_a_link_to_its_folder(folder: Path) -> None:
    link = folder.with_name("best")
    link.symlink_to(folder)

    assert set(scorers_for(str(link), TODAY)) == set(artifact.load(folder, "evaluated")) == {"main"}


def test_the_canary_would_sing(canary: Path) -> None:
    pickle.loads(pickle.dumps(Harm(canary)))

    assert canary.exists()


@pytest.mark.parametrize("name", [TENSORS, NETWORK])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_in_disguise(
    folder: Path, canary: Path, monkeypatch: pytest.MonkeyPatch, name: str, protocol: int
) -> None:
    forge(folder, name, pickle.dumps(Harm(canary), protocol))

    expected = "a safetensors file" if name == TENSORS else "a Keras archive"
    assert expected in refused(folder, monkeypatch)
    assert not canary.exists()


def test_a_pickle_behind_a_length_that_fits(folder: Path, canary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harm = pickle.dumps(Harm(canary))
    forge(folder, TENSORS, len(harm).to_bytes(8, "little") + harm)

    assert "a header that is not JSON" in refused(folder, monkeypatch)
    assert not canary.exists()


def test_an_array_of_objects_as_numpy_pickles_them(folder: Path, canary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([Harm(canary)], object), allow_pickle=True)
    forge(folder, TENSORS, stream.getvalue())

    assert "a safetensors file" in refused(folder, monkeypatch)
    assert not canary.exists()


def test_what_the_manifest_does_not_name_is_never_opened(folder: Path, canary: Path) -> None:
    for name in ("published/main.pkl", "published/__init__.py", "sitecustomize.py", "evaluated/model.h5"):
        (folder / name).write_bytes(pickle.dumps(Harm(canary)))

    assert set(scorers_for(str(folder), TODAY)) == {"main"}
    assert not canary.exists()


def in_layers(layer: dict[str, Any]) -> dict[str, Any]:
    """A network that holds a layer somewhere inside."""
    inner = {"module": "keras.layers", "class_name": "TimeDistributed", "config": {"layer": layer}}
    return {"module": "keras", "class_name": "Functional", "config": {"layers": [LAYER, inner]}}


@pytest.mark.parametrize(
    "layer",
    [
        {"module": "keras.layers", "class_name": "Lambda", "config": {"function": {"class_name": "__lambda__"}}},
        {"class_name": "Lambda", "config": {}},
        {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}},
        {"module": "os", "class_name": "system", "config": {"command": "touch canary"}},
        {"module": "builtins", "class_name": "function", "config": "eval"},
        {"module": "keras.utils", "class_name": "function", "config": "get_file"},
        {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {"module": "gASV"}},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/tmp/saved_model"}},
        {"module": "keras.layers.evil", "class_name": "Dense", "config": {}},
        {"module": "numpy", "class_name": "load", "config": {}},
        {"module": ["keras"], "class_name": "Dense", "config": {}},
        {"module": "keras.layers", "class_name": ["Lambda"], "config": {}},
    ],
    ids=lambda layer: f"{layer.get('module')}.{layer['class_name']}",
)
def test_a_network_with_code_in_it(folder: Path, monkeypatch: pytest.MonkeyPatch, layer: dict[str, Any]) -> None:
    forge(folder, NETWORK, network(in_layers(layer)))

    assert "expected Keras' own layers only" in refused(folder, monkeypatch)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (network(more={"../../evil.py": b"import os"}), "'../../evil.py'"),
        (network(more={"/etc/cron.d/evil": b"* * * * *"}), "'/etc/cron.d/evil'"),
        (network(more={"assets/vocabulary.pkl": b"x"}), "'assets/vocabulary.pkl'"),
        (network(weights=b"\x80\x04pickle"), "no HDF5 file"),
        (network("[" * 100_000), "Error"),
        (network(b"\xff"), "Error"),
        (network(" " * (MAX_CONFIGURATION + 1)), "a config.json above"),
        (network()[:-30], "BadZipFile"),
        (b"", "BadZipFile"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_an_archive_that_leads_elsewhere_or_is_damaged(
    folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
) -> None:
    forge(folder, NETWORK, content)

    found = refused(folder, monkeypatch)
    assert "a Keras archive of config.json" in found
    assert reason in found


def test_a_network_with_code_is_not_even_stored(folder: Path, tmp_path: Path) -> None:
    keras_file = tmp_path / "lambda.keras"
    keras_file.write_bytes(network({"module": "keras.layers", "class_name": "Lambda"}))

    with pytest.raises(ArtifactError, match="Keras' own layers only"):
        artifact.save(
            tmp_path / "new", Artefact(Description("dot"), {"published": {"main": MAIN}}, {"published": keras_file})
        )
    assert list((tmp_path / "new").iterdir()) == []


def header(length: int | None = None, **entries: Any) -> bytes:
    """The begin of a safetensors file."""
    text = json.dumps(entries).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text


def entry(shape: list[Any], start: int, end: int, kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


SOUND = save(MAIN.tensors())
USER, ITEM = entry([5, 3], 0, 60), entry([6, 3], 60, 132)
NUMBERS = bytes(132)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "a header of 0 bytes in a file of 0", id="empty"),
        pytest.param(SOUND[:7], "bytes in a file of 7", id="cut within the length"),
        pytest.param(SOUND[:40], "bytes in a file of 40", id="cut within the header"),
        pytest.param(SOUND[:-1], "131 bytes behind the header, whose tensors take 132", id="cut within the numbers"),
        pytest.param(SOUND + b"\0", "133 bytes behind the header, whose tensors take 132", id="a byte more"),
        pytest.param(header(2**64 - 1) + NUMBERS, "a header of 18,446,744,073,709,551,615", id="an endless header"),
        pytest.param(header(MAX_HEADER + 1) + bytes(MAX_HEADER + 9), "bytes, above 1,048,576", id="a huge header"),
        pytest.param(header(0) + NUMBERS, "not JSON", id="no header"),
        pytest.param((4).to_bytes(8, "little") + b"null", "describes no tensors", id="a header of nothing"),
        pytest.param(header(user=USER, item=[1]) + NUMBERS, "describes no tensors", id="an entry that is a list"),
        pytest.param(header(user=USER, item={"shape": [6, 3]}) + NUMBERS, "describes no tensors", id="half an entry"),
        pytest.param(header(user=USER) + NUMBERS, "expected tensors {", id="a tensor less"),
        pytest.param(header(user=USER, item=ITEM, x=entry([0], 0, 0)) + NUMBERS, "expected tensors {", id="one more"),
        pytest.param(header(user=entry([10**12, 3], 0, 60), item=ITEM) + NUMBERS, "expected tensors {", id="a shape"),
        pytest.param(header(user=entry([5, 3], 0, 60, "F64"), item=ITEM) + NUMBERS, "F32", id="other numbers"),
        pytest.param(header(user=entry([5, 3], 0, 72), item=ITEM) + NUMBERS, "'user'", id="longer than its shape"),
        pytest.param(header(user=USER, item=entry([6, 3], 0, 72)) + NUMBERS, "'item'", id="one over the other"),
        pytest.param(header(user=USER, item=entry([6, 3], 64, 136)) + bytes(136), "'item'", id="a gap"),
        pytest.param(header(user=USER, item=entry([6, 3], -72, 0)) + NUMBERS, "'item'", id="before the begin"),
        pytest.param(header(user=USER, item=entry([6, 3], "0", "9")) + NUMBERS, "describes no tensors", id="text"),
    ],
)
def test_tensors_that_are_cut_short_oversized_or_not_what_they_say(
    folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
) -> None:
    forge(folder, TENSORS, content)

    assert reason in refused(folder, monkeypatch)


def test_a_sound_file_passes_and_so_does_one_that_holds_its_tensors_in_another_order(tmp_path: Path) -> None:
    shapes = {"user": [5, 3], "item": [6, 3], "empty": [5, 0]}
    swapped = header(item=entry([6, 3], 0, 72), empty=entry([5, 0], 72, 72), user=entry([5, 3], 72, 132)) + NUMBERS
    for content in (save({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}), swapped):
        (tmp_path / "x").write_bytes(content)
        check_header(tmp_path / "x", shapes)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite(folder: Path, value: float) -> None:
    tensors = {name: tensor.copy() for name, tensor in MAIN.tensors().items()}
    tensors["item"][5, 2] = value
    forge(folder, TENSORS, save(tensors))

    with pytest.raises(ArtifactError, match=r"item: expected finite numbers, found -?(nan|inf) in row 5"):
        scorers_for(str(folder), TODAY)


@pytest.mark.parametrize("name", [TENSORS, NETWORK])
def test_a_wrong_hash(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    assert "expected sha256" in refused(folder, monkeypatch)


@pytest.mark.parametrize("name", ["manifest.json", TENSORS, NETWORK, "published"])
def test_a_link_to_another_place(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")

    assert "link" in refused(folder, monkeypatch)


def test_a_pipe_is_not_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / TENSORS).unlink()
    os.mkfifo(folder / TENSORS)
    change(folder, lambda m: m["files"].update({TENSORS: {"sha256": "", "bytes": 0}}))

    assert "expected a plain file" in refused(folder, monkeypatch)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"format": ' + "9" * 5000 + "}", '{"format": 1, "format": 2}'])
def test_a_manifest_that_is_a_trap_for_its_reader(folder: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    (folder / "manifest.json").write_text(content)

    assert "manifest.json" in refused(folder, monkeypatch)


def test_a_manifest_that_is_too_large_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recsys_spark.manifest.MAX_MANIFEST", 100)

    assert "expected at most 100 bytes" in refused(folder, monkeypatch)


@pytest.mark.parametrize("side", ["user", "item"])
@pytest.mark.parametrize(
    "stored",
    [{}, {"size": 5}, {"size": 4, "digest": USERS.digest}, {"size": 5, "digest": "ab"}, {"size": "5", "digest": 7}],
    ids=str,
)
def test_an_artefact_of_other_vocabularies(
    folder: Path, monkeypatch: pytest.MonkeyPatch, side: str, stored: dict[str, Any]
) -> None:
    change(folder, lambda m: m["description"]["vocabularies"].update({side: stored}))

    assert f"{side}s: expected a vocabulary that is, or was, this output's" in refused(folder, monkeypatch)


def test_ids_that_were_added_since_do_no_harm_and_others_do(folder: Path) -> None:
    manifest = read_manifest(folder)
    grown = Vocabularies(replace(USERS, additions=(*USERS.additions, Addition("users/2", 9, "d"))), ITEMS)
    shrunk = Vocabularies(replace(USERS, additions=USERS.additions[:1]), ITEMS)
    another = Vocabularies(replace(USERS, additions=(Addition("users/0", 3, "x"), *USERS.additions[1:])), ITEMS)
    swapped = Vocabularies(ITEMS, USERS)

    check_fits(manifest, grown, at="m")
    for others in (shrunk, another, swapped):
        with pytest.raises(ArtifactError, match="m: users: expected a vocabulary"):
            check_fits(manifest, others, at="m")


def test_tensors_that_are_longer_than_the_vocabulary(folder: Path) -> None:
    manifest = read_manifest(folder)
    longer = Vocabularies(USERS, replace(ITEMS, additions=(Addition("items/0", 7, "c"),)))
    stored = {**FITTED_ON, "item": {"size": 7, "digest": longer.items.digest}}

    described = replace(manifest, description=replace(manifest.description, vocabularies=stored))

    with pytest.raises(ArtifactError, match=r"published/main: item: expected 7 rows, one for each item.*found 6"):
        check_fits(described, longer, at="m")
