"""What a session tells when Spark lacks something."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyspark.sql import SparkSession

from recsys_spark import session
from recsys_spark.errors import ConfigError


def test_delta_that_is_missing_is_told_with_what_brings_it(spark: SparkSession) -> None:
    with pytest.raises(ConfigError) as refused:
        session._require_on_class_path("io.delta.sql.NoSuchExtension")

    assert refused.value.exit_code == 2
    assert "found no class io.delta.sql.NoSuchExtension" in str(refused.value)
    assert "--packages io.delta:delta-spark_4.2_2.13:4.4." in refused.value.hint


def test_delta_that_is_there_is_found(spark: SparkSession) -> None:
    session._require_on_class_path(session.DELTA_SETTINGS["spark.sql.extensions"])


def test_a_wheel_is_sent_to_executors_as_a_zip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wheel = tmp_path / "recsys_spark-1.2.3-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    monkeypatch.setattr(session, "__file__", str(wheel / "recsys_spark" / "session.py"))
    sent: list[Any] = []

    session._ship_wheel(cast(SparkSession, SimpleNamespace(sparkContext=SimpleNamespace(addPyFile=sent.append))))

    (file,) = sent
    assert isinstance(file, str), "Spark's own side knows no Path"
    assert Path(file).name == "recsys_spark-1.2.3-py3-none-any.zip"
    assert Path(file).read_bytes() == b"a wheel"


def test_a_package_that_is_installed_is_sent_by_nobody() -> None:
    session._ship_wheel(cast(SparkSession, None))
