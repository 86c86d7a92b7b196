"""A project with everything at hand."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.launcher.project import PRINTS_ITS_START, Project, executable

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Everything is given, so that nothing is left to set up: a Python, Delta's jars, a Java and a spark-submit."""
    folder = tmp_path / "a project"
    for name, text in {
        "jobs/nightly.py": "import sys, recsys_spark; print('ran', *sys.argv[1:])",
        "jobs/train.py": "",
        "jobs/__init__.py": "",
        "recsys_spark/__init__.py": "",
        "recsys_spark/kernels/dot.py": "score = 1",
        "conf/log4j2.properties": "",
        "pyproject.toml": "[project]\ndependencies = []\n"
        'optional-dependencies = { dev = [], docs = ["no-such-package"] }',
        "constraints.txt": "",
        "delta-spark.jar": "",
        "delta-storage.jar": "",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    shutil.copy(ROOT / "spark-submit.sh", folder)
    executable(folder / "spark-submit-stub", PRINTS_ITS_START)
    java = executable(folder / "bin/java", "#!/bin/sh\necho 'openjdk version \"17.0.9\" 2023-10-17' >&2\n")
    return Project(
        folder,
        {
            "PATH": f"{java.parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "PIP_NO_INDEX": "1",
            "RECSYS_PYTHON": sys.executable,
            "RECSYS_SPARK_SUBMIT": str(folder / "spark-submit-stub"),
            "RECSYS_DELTA_JARS": f"{folder}/delta-spark.jar,{folder}/delta-storage.jar",
        },
    )
