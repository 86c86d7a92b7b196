"""What a start pays for: plain modules bring no Spark, and nothing brings Keras before a model is built.

The direction of imports is held by import-linter (`make imports`); it reads imports inside functions as imports too, so
what really happens at import time is tested here, each time in a Python of its own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def loaded_by(*modules: str) -> set[str]:
    """The top-level packages that a new Python holds after importing the modules."""
    imports = "\n".join(f"import {module}" for module in modules)
    done = subprocess.run(
        [sys.executable, "-c", f"{imports}\nimport sys\nprint(*(name for name in sys.modules if '.' not in name))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def modules_in(pattern: str) -> list[str]:
    return [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in sorted(ROOT.glob(pattern))]


@pytest.mark.parametrize(
    "module", ["config", "settings", "schemas", "storage", "artifact", "kernels", "explaining.explain"]
)
def test_plain_modules_import_neither_spark_nor_keras(module: str) -> None:
    loaded = loaded_by(f"recsys_spark.{module}")

    assert "recsys_spark" in loaded
    assert loaded & {"pyspark", "py4j", "delta", "tensorflow", "keras"} == set()


def test_no_kernel_imports_spark_or_keras() -> None:
    kernels = modules_in("recsys_spark/kernels/[a-z]*.py")

    assert kernels
    assert loaded_by(*kernels) & {"pyspark", "py4j", "delta", "tensorflow", "keras"} == set()


def test_a_look_up_imports_next_to_nothing_before_it_knows_what_is_asked() -> None:
    loaded = loaded_by("recsys_spark.cli")

    assert loaded & {"pyspark", "tensorflow", "keras", "numba", "pyarrow", "numpy", "pydantic", "rich"} == set()


def test_reading_a_model_imports_neither_spark_nor_keras_nor_numba() -> None:
    loaded = loaded_by("recsys_spark.reader", "recsys_spark.published_model", "recsys_spark.run_list")

    assert "pyarrow" in loaded
    assert loaded & {"pyspark", "py4j", "delta", "tensorflow", "keras", "numba", "pandas"} == set()


def test_the_stages_import_keras_only_when_they_train() -> None:
    loaded = loaded_by("recsys_spark.stages")

    assert "pyspark" in loaded
    assert loaded & {"tensorflow", "keras"} == set()


def test_the_settings_of_every_folder_can_be_checked_without_spark_or_kernels() -> None:
    settings = modules_in("recsys_spark/*/settings.py")

    assert settings
    assert loaded_by(*settings) & {"pyspark", "tensorflow", "keras", "numba", "pandas"} == set()
