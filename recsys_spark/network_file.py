"""A `.keras` file judged without Keras: a zip archive of three members that names no code but Keras' own layers.

The product never opens these files, people do: in Keras' safe mode or, by mistake, without it. Whatever would run code
then, or leave the folder that it is unpacked to, is refused here, with the whole artefact.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

from recsys_spark.errors import ArtifactError

MEMBERS: Final = ("config.json", "metadata.json", "model.weights.h5")
MAX_CONFIGURATION: Final = 16 << 20
"""Bytes of `config.json`. It names layers, and no weights; ours have a few thousand."""

MODULES: Final = frozenset(
    {
        "keras",
        "keras.activations",
        "keras.constraints",
        "keras.dtype_policies",
        "keras.initializers",
        "keras.layers",
        "keras.models",
        "keras.regularizers",
        "keras.src.models.functional",
        "keras.src.models.sequential",
    }
)
"""Where the classes of a configuration may come from: Keras imports whatever module it is told."""

EXECUTABLE: Final = frozenset(
    {"Lambda", "__lambda__", "function", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
)
"""What Keras keeps as code, as a name of a function, or as a file of another kind."""

PLAIN: Final = frozenset({"__keras_tensor__", "__tuple__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__"})
"""Keras' names for values; they come from no module."""

_HDF5 = b"\x89HDF\r\n\x1a\n"


def check_network(path: Path) -> None:
    """Refuse a `.keras` file that could do anything but hold a network of Keras' own layers.

    Raises:
        ArtifactError: it is no such archive, has other members, or its configuration names code.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if sorted(names) != list(MEMBERS):
                _refuse(path, ", ".join(map(repr, names))[:500] or "an empty archive")
            if archive.getinfo("config.json").file_size > MAX_CONFIGURATION:
                _refuse(path, f"a config.json above {MAX_CONFIGURATION:,} bytes")
            configuration = json.loads(archive.read("config.json"))
            with archive.open("model.weights.h5") as weights:
                if weights.read(len(_HDF5)) != _HDF5:
                    _refuse(path, "a model.weights.h5 that is no HDF5 file")
        named = list(_named_classes(configuration))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        _refuse(path, f"{type(error).__name__}: {error}"[:500])
    for module, name in named:
        if not _is_plain(module, name):
            hint = "such a file can run code when it is opened; train again, with Keras' own layers"
            found = f"{name!r} of {module!r}"
            raise ArtifactError(f"{path}: config.json", expected="Keras' own layers only", found=found, hint=hint)


def _is_plain(module: Any, name: Any) -> bool:
    if not isinstance(name, str) or name in EXECUTABLE:
        return False
    return name in PLAIN if module is None else isinstance(module, str) and module in MODULES


def _named_classes(configuration: Any) -> Iterator[tuple[Any, Any]]:
    """Every class that a configuration names, with its module."""
    if isinstance(configuration, dict):
        if "class_name" in configuration:
            yield configuration.get("module"), configuration["class_name"]
        for value in configuration.values():
            yield from _named_classes(value)
    elif isinstance(configuration, list):
        for value in configuration:
            yield from _named_classes(value)


def _refuse(path: Path, found: str) -> NoReturn:
    raise ArtifactError(str(path), expected=f"a Keras archive of {', '.join(MEMBERS)}", found=found)
