"""The notebook of docs/ runs from its first cell to its last on what a real night has published."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.end_to_end.runs import Finished

NOTEBOOK = PROJECT / "docs" / "notebook.ipynb"


def executed(output: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run the notebook on an output; gives what its cells show as text, errors raised."""
    monkeypatch.setenv("RECSYS_OUTPUT", str(output))
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    with warnings.catch_warnings():
        # Jupyter's own, about event loops and folders
        warnings.simplefilter("ignore")
        import nbformat
        from jupyter_client.manager import AsyncKernelManager
        from nbclient import NotebookClient

        notebook = nbformat.read(NOTEBOOK, as_version=4)
        kernel = AsyncKernelManager()
        # this Python, whatever kernels are installed
        kernel.kernel_spec.argv[0] = sys.executable
        NotebookClient(notebook, km=kernel, timeout=600).execute(cwd=str(output.parent))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return ["".join(out.get("data", {}).get("text/plain", "") for out in cell.outputs) for cell in code]


def test_the_notebook_shows_the_visible_run_its_lists_and_scores(
    sample: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = executed(sample.output, monkeypatch)

    assert sample.summary["run_id"] in shown[0]
    assert sample.summary["model_id"] in shown[3]
    assert all(shown), "every cell shows something"


def test_what_the_page_shows_names_no_place_of_the_machine_that_made_it() -> None:
    page = NOTEBOOK.read_text(encoding="utf-8")

    assert "/tmp" not in page
    assert "/home" not in page
