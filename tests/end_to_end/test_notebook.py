"""The notebook of docs/ runs from its first cell to its last on what a real night has published."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import PROJECT
from tests.end_to_end.runs import Finished

NOTEBOOK = PROJECT / "docs" / "notebook.ipynb"

PROGRAM = """
import sys
import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

notebook, kernel = nbformat.read(sys.argv[1], as_version=4), AsyncKernelManager()
kernel.kernel_spec.argv[0] = sys.executable  # this Python, whatever kernels are installed
NotebookClient(notebook, km=kernel, timeout=600).execute(cwd=".")
nbformat.write(notebook, sys.argv[2])
"""
"""In a process of its own, as Jupyter leaves sockets open."""


def executed(output: Path, folder: Path) -> list[str]:
    """Run the notebook on an output, in an unrelated folder; gives what each of its cells shows as text."""
    command = [sys.executable, "-c", PROGRAM, str(NOTEBOOK), "executed.ipynb"]
    environment = {**os.environ, "RECSYS_OUTPUT": str(output), "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    cells = json.loads((folder / "executed.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return ["".join(text for out in cell["outputs"] for text in out["data"]["text/plain"]) for cell in code]


def test_the_notebook_shows_the_visible_run_its_lists_and_scores(sample: Finished, tmp_path: Path) -> None:
    shown = executed(sample.output, tmp_path)

    assert sample.summary["run_id"] in shown[0]
    assert sample.summary["model_id"] in shown[3]
    assert all(shown), "every cell shows something"


def test_what_the_page_shows_names_no_place_of_the_machine_that_made_it() -> None:
    page = NOTEBOOK.read_text(encoding="utf-8")

    assert "/tmp" not in page
    assert "/home" not in page
