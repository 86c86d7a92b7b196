"""`make package`: what machines without a checkout need, in `dist/`.

Three files: the wheel; an environment for a cluster's Python, as an archive; the launcher, a folder in which
`./spark-submit.sh` works with that wheel. docs/deploy.md tells how each is used.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import venv_pack

from recsys_spark import __version__

PROJECT = Path(__file__).resolve().parent.parent
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "recsys_spark", "jobs", "conf")
LAUNCHER = ("spark-submit.sh", "pyproject.toml", "constraints.txt", "jobs", "conf", "LICENSE", "CHANGELOG.md")

EXECUTORS = ("pandas", "pyarrow", "numpy", "numba", "pydantic", "pyyaml")
"""The dependencies that code on executors imports; a test holds that. PySpark comes with the cluster's Spark."""


def main() -> None:
    """Make all three, or what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--environment",
        choices=("executors", "all", "none"),
        default="executors",
        help="executors: without TensorFlow and what else the driver alone needs (the default); all: for drivers too",
    )
    parser.add_argument("--out", type=Path, default=PROJECT / "dist", metavar="FOLDER", help="default: dist")
    given = parser.parse_args()
    out: Path = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    wheel = make_wheel(out)
    made = [wheel, make_launcher(out, wheel)]
    if given.environment != "none":
        made.append(make_environment(out, given.environment))
    for file in made:
        print(f"{file.stat().st_size / 2**20:8.1f} MiB  {file.name}")


def make_wheel(out: Path) -> Path:
    """Build from a copy: in the project's own folder a file that has been removed would come back from `build/`."""
    with TemporaryDirectory() as folder:
        _copy(SOURCES, Path(folder))
        _run("build", "--wheel", "--outdir", out, folder)
    return out / f"recsys_spark-{__version__}-py3-none-any.whl"


def make_launcher(out: Path, wheel: Path) -> Path:
    """A folder as `spark-submit.sh` expects it, with the wheel in place of the package's sources."""
    name = f"recsys-spark-{__version__}"
    archive = out / f"{name}-launcher.tar.gz"
    with TemporaryDirectory() as folder, tarfile.open(archive, "w:gz") as tar:
        _copy((*LAUNCHER, wheel), Path(folder))
        tar.add(folder, arcname=name, filter=_owned_by_nobody)
    return archive


def make_environment(out: Path, kind: str) -> Path:
    """A virtual environment that can be unpacked anywhere where the same Python lies at the same place."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [line for line in project["dependencies"] if kind == "all" or line.startswith(EXECUTORS)]
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    archive = out / f"recsys-spark-{__version__}-{kind}-{python}-{sysconfig.get_platform()}.tar.gz"
    with TemporaryDirectory() as folder:
        venv.create(folder, with_pip=False, symlinks=platform.system() != "Windows")
        constraints = PROJECT / "constraints.txt"
        _run("pip", "--python", folder, "install", "--quiet", "--constraint", constraints, *wanted)
        venv_pack.pack(prefix=folder, output=str(archive), force=True)
    archive.chmod(0o644)
    return archive


def _run(module: str, *arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, stdout=sys.stderr)


def _copy(files: Iterable[str | Path], folder: Path) -> None:
    for file in files:
        path = PROJECT / file
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(path, folder)


def _owned_by_nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    if entry.isdir():
        entry.mode = 0o755
    return entry


if __name__ == "__main__":
    main()
