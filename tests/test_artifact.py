"""What is saved is loaded to the bit; what was changed since is refused before it is parsed."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from recsys_spark.artifact import Artefact, load, load_weights, model_id, save
from recsys_spark.errors import ArtifactError
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.manifest import Description, FileRecord, file_record, read_manifest
from tests.contracts.kernel import random_scorer

MAIN = random_scorer(2, "levels", 5, 6, 3)
DOT = random_scorer(1, "dot", 5, 6, 3)
NOTHING = np.empty((5, 0), np.float32)
BIASES = PairScorer(NOTHING, np.empty((6, 0), np.float32), item_bias=np.arange(6, dtype=np.float32), offset=3)
DESCRIPTION = Description(
    model="mlp",
    settings={"units": [64, 32], "dropout": 0.1, "title": "Ü"},
    vocabularies={"user": {"size": 5, "digest": "ab"}, "item": {"size": 6, "digest": "cd"}},
    data_fingerprint="12",
    target={"mean": 3.5, "deviation": 1.1},
    epochs={"published": 4, "evaluated": 3},
    metrics={"test": {"mse": 0.8}},
)
ARTEFACT = Artefact(
    DESCRIPTION, {"published": {"main": MAIN, "rating": DOT}, "evaluated": {"main": DOT, "item_mean": BIASES}}
)


def assert_same_scorer(actual: PairScorer, expected: PairScorer) -> None:
    assert list(actual.tensors()) == list(expected.tensors())
    for name, tensor in expected.tensors().items():
        np.testing.assert_array_equal(actual.tensors()[name], tensor)
    assert [layer.activation for layer in actual.layers] == [layer.activation for layer in expected.layers]
    assert (actual.scale, actual.offset, actual.clip) == (expected.scale, expected.offset, expected.clip)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(tmp_path / "models", ARTEFACT)


def test_what_is_loaded_is_what_was_saved(folder: Path) -> None:
    published, evaluated = load(folder), load(str(folder), role="evaluated")

    assert list(published) == ["main", "rating"]
    assert list(evaluated) == ["main", "item_mean"]
    assert_same_scorer(published["main"], MAIN)
    assert_same_scorer(published["rating"], DOT)
    assert_same_scorer(evaluated["item_mean"], BIASES)


def test_the_manifest_tells_what_the_model_is(folder: Path) -> None:
    manifest = read_manifest(folder)

    assert manifest.description == DESCRIPTION
    assert manifest.model_id == folder.name == ARTEFACT.model_id
    assert manifest.created_at.tzinfo is not None
    assert sorted(manifest.files) == [
        "evaluated/item_mean.safetensors",
        "evaluated/main.safetensors",
        "published/main.safetensors",
        "published/rating.safetensors",
    ]


def test_a_keras_file_is_kept_beside_and_vouched_for(tmp_path: Path) -> None:
    keras_file = tmp_path / "any.keras"
    with zipfile.ZipFile(keras_file, "w") as archive:
        for name, content in {
            "metadata.json": "{}",
            "config.json": "{}",
            "model.weights.h5": "\x89HDF\r\n\x1a\n",
        }.items():
            archive.writestr(name, content.encode("latin-1"))
    folder = save(tmp_path / "models", replace(ARTEFACT, keras_files={"published": keras_file}))

    assert (folder / "published" / "model.keras").read_bytes() == keras_file.read_bytes()
    assert read_manifest(folder).files["published/model.keras"] == file_record(keras_file)


def test_the_id_depends_on_the_published_scorers_only() -> None:
    other_metrics = replace(DESCRIPTION, metrics={})
    same = Artefact(other_metrics, {"published": {"rating": DOT, "main": MAIN}})
    nearly = replace(MAIN, user=np.nextafter(MAIN.user, np.float32(9)))

    assert ARTEFACT.model_id == same.model_id == model_id("mlp", {"main": MAIN, "rating": DOT})
    others = [
        model_id("dot", {"main": MAIN, "rating": DOT}),
        model_id("mlp", {"main": MAIN}),
        model_id("mlp", {"main": nearly, "rating": DOT}),
        model_id("mlp", {"main": replace(MAIN, scale=2), "rating": DOT}),
        model_id("mlp", {"main": replace(MAIN, clip=(1, 5)), "rating": DOT}),
    ]
    assert len({ARTEFACT.model_id, *others}) == 6


def test_the_same_artefact_again_touches_nothing(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    assert save(folder.parent, ARTEFACT) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("harm", ["a file is damaged", "a file is missing", "other metrics"])
def test_a_folder_that_holds_something_else_is_replaced(folder: Path, harm: str) -> None:
    artefact = ARTEFACT
    if harm == "a file is damaged":
        (folder / "published" / "main.safetensors").write_bytes(b"x")
    elif harm == "a file is missing":
        shutil.rmtree(folder / "evaluated")
    else:
        artefact = replace(ARTEFACT, description=replace(DESCRIPTION, metrics={"test": {"mse": 0.7}}))
    save(folder.parent, artefact)

    assert_same_scorer(load(folder)["main"], MAIN)
    assert_same_scorer(load(folder, "evaluated")["main"], DOT)
    assert read_manifest(folder).description == artefact.description


def test_nothing_but_the_artefact_is_left_behind(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    save(folder.parent, ARTEFACT)
    with pytest.raises(ArtifactError, match="description: expected plain finite values"):
        save(folder.parent, replace(ARTEFACT, description=replace(DESCRIPTION, metrics={"mse": float("nan")})))

    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("change", ["other bytes", "longer", "missing"])
def test_a_changed_file_is_refused_before_it_is_parsed(
    folder: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[Path] = []
    monkeypatch.setattr("recsys_spark.artifact.load_file", parsed.append)
    path = folder / "published" / "main.safetensors"
    content = path.read_bytes()
    if change == "missing":
        path.unlink()
    else:
        path.write_bytes(content + b"\0" if change == "longer" else content[:-1] + bytes([content[-1] ^ 1]))

    with pytest.raises(ArtifactError, match=r"main\.safetensors: expected (sha256|\d+ bytes|a readable file)"):
        load(folder)
    assert parsed == []


def forge(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest by hand."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def published_main(manifest: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = manifest["scorers"]["published"]["main"]
    return record


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda m: m.update(format=2), "format: expected 1, found 2"),
        (lambda m: m.update(surprise=1), "expected a manifest"),
        (lambda m: m.pop("files"), "expected a manifest"),
        (lambda m: m["files"].update({"../../etc/passwd": {"sha256": "", "bytes": 1}}), "found '../../etc/passwd'"),
        (lambda m: m["files"].update({"published/x.pkl": {"sha256": "", "bytes": 1}}), "found 'published/x.pkl'"),
        (lambda m: m["scorers"]["published"].update({"../main": published_main(m)}), "no such entry"),
        (lambda m: m["files"].pop("published/main.safetensors"), "no such entry"),
        (lambda m: m["scorers"].pop("published"), "expected scorers of this role, found none"),
        (lambda m: published_main(m)["tensors"].update(user=[6, 5]), "expected tensors"),
        (lambda m: published_main(m).update(scale=7.0), "digest"),
        (lambda m: published_main(m)["activations"].append("relu"), "expected a tensor 'layers."),
        (lambda m: published_main(m)["activations"].__setitem__(0, "exec"), "expected one of linear"),
    ],
)
def test_a_manifest_that_was_changed_is_refused(folder: Path, change: Callable[[Any], object], found: str) -> None:
    forge(folder, change)

    with pytest.raises(ArtifactError) as refused:
        load(folder)
    assert found in str(refused.value)
    assert str(folder) in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{"])
def test_a_file_that_is_no_manifest_is_refused(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)

    with pytest.raises(ArtifactError, match="expected a manifest"):
        load(folder)


def replace_file(folder: Path, name: str, write: Callable[[Path], object]) -> None:
    """Replace a file and make the manifest vouch for it."""
    write(folder / name)
    record: FileRecord = file_record(folder / name)
    forge(folder, lambda m: m["files"].update({name: {"sha256": record.sha256, "bytes": record.bytes}}))


def test_a_nan_is_refused_even_where_the_hash_is_right(folder: Path) -> None:
    tensors = load_file(folder / "published" / "rating.safetensors")
    tensors["user"] = np.full_like(tensors["user"], np.nan)
    replace_file(folder, "published/rating.safetensors", lambda path: save_file(tensors, path))

    with pytest.raises(ArtifactError, match="user: expected finite numbers, found nan in row 0"):
        load(folder)


def test_a_file_that_holds_no_tensors_is_refused_even_where_the_hash_is_right(folder: Path) -> None:
    replace_file(folder, "published/rating.safetensors", lambda path: path.write_bytes(b"\x80\x04pickle me"))

    with pytest.raises(ArtifactError, match="expected a safetensors file"):
        load(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"nowhere/manifest\.json: expected a readable file"):
        load(tmp_path / "nowhere")


def test_a_file_uri_is_a_local_folder_and_another_scheme_is_refused(folder: Path) -> None:
    assert_same_scorer(load(folder.as_uri())["main"], MAIN)
    with pytest.raises(ArtifactError, match="expected a local path or a file: URI, found s3a://bucket/models"):
        save("s3a://bucket/models", ARTEFACT)


def test_an_artefact_needs_a_published_main_and_plain_names(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="a published scorer named 'main'"):
        save(tmp_path, replace(ARTEFACT, scorers={"published": {"rating": DOT}}))
    with pytest.raises(ArtifactError, match=r"found '\.\./x'"):
        save(tmp_path, replace(ARTEFACT, scorers={"published": {"main": DOT, "../x": DOT}}))
    with pytest.raises(ArtifactError, match="found 'MLP'"):
        save(tmp_path, replace(ARTEFACT, description=replace(DESCRIPTION, model="MLP")))
    assert list(tmp_path.iterdir()) == []


class TestWeights:
    WEIGHTS = {"user_bias.0": np.arange(3, dtype=np.float32)[:, None], "dense_0.1": np.ones(2, np.float32)}

    @pytest.fixture
    def with_weights(self, tmp_path: Path) -> Path:
        return save(tmp_path / "models", replace(ARTEFACT, weights={"validated": self.WEIGHTS}))

    def test_they_come_back_to_the_bit_and_leave_the_id_as_it_is(self, with_weights: Path) -> None:
        found = load_weights(with_weights, "validated")
        assert found.keys() == self.WEIGHTS.keys()
        for name, array in self.WEIGHTS.items():
            np.testing.assert_array_equal(found[name], array)
        assert with_weights.name == ARTEFACT.model_id

    def test_those_of_another_fit_are_not_there(self, with_weights: Path) -> None:
        with pytest.raises(ArtifactError, match=r"weights/published\.safetensors.*found none"):
            load_weights(with_weights, "published")

    def test_changed_ones_are_refused(self, with_weights: Path) -> None:
        file = with_weights / "weights" / "validated.safetensors"
        file.write_bytes(file.read_bytes()[:-1] + b"\x01")
        with pytest.raises(ArtifactError, match="sha256"):
            load_weights(with_weights, "validated")

    def test_a_file_of_other_arrays_is_refused_even_if_its_hash_is_right(self, with_weights: Path) -> None:
        file, manifest = with_weights / "weights" / "validated.safetensors", with_weights / "manifest.json"
        save_file({"user_bias.0": np.ones((4, 1), np.float32)}, file)
        record = file_record(file)
        values = json.loads(manifest.read_text())
        values["files"]["weights/validated.safetensors"] = {"sha256": record.sha256, "bytes": record.bytes}
        manifest.write_text(json.dumps(values))
        with pytest.raises(ArtifactError, match="expected tensors"):
            load_weights(with_weights, "validated")

    def test_numbers_that_are_not_finite_are_refused(self, tmp_path: Path) -> None:
        weights = {"validated": {"user_bias.0": np.array([[np.nan]], np.float32)}}
        folder = save(tmp_path / "models", replace(ARTEFACT, weights=weights))
        with pytest.raises(ArtifactError, match="finite"):
            load_weights(folder, "validated")
