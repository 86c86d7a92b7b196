"""What a session tells when Spark lacks something."""

from __future__ import annotations

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
