"""What `make package` puts into the executors' environment is what their code imports."""

from __future__ import annotations

import ast
import tomllib
from importlib.metadata import packages_distributions

from tests.conftest import PROJECT
from tests.test_import_contract import loaded_by, modules_in

RUN_BY_EXECUTORS = ("recsys_spark.evaluation.ranking", "recsys_spark.evaluation.levels")
"""Functions of these run on executors, beside those of `scoring` and `kernels`."""


def executors_packages() -> set[str]:
    """`EXECUTORS` of make_package.py, read as text since that imports what only the extra `package` brings."""
    for statement in ast.parse((PROJECT / ".ci" / "make_package.py").read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "EXECUTORS":
            return set(ast.literal_eval(statement.value))
    raise AssertionError("make_package.py has no EXECUTORS")


def test_executors_import_no_dependency_that_their_environment_lacks() -> None:
    modules = modules_in("recsys_spark/scoring/[a-z]*.py") + modules_in("recsys_spark/kernels/[a-z]*.py")
    distributions = packages_distributions()
    needed = {name.lower() for top in loaded_by(*modules, *RUN_BY_EXECUTORS) for name in distributions.get(top, [])}
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {line.split(";")[0].split("[")[0].rstrip("<>=,.0123456789").lower() for line in project["dependencies"]}

    assert needed & declared - {"pyspark"} == executors_packages()
