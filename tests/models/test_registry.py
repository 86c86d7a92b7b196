"""Every model that can be configured is there, and naming one is cheap."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

from recsys_spark.models.registry import MODELS, model_for
from recsys_spark.models.settings import MlpSettings, ModelSettings


def test_every_model_that_can_be_configured_is_registered() -> None:
    union = get_args(ModelSettings)[0]
    assert set(MODELS) == {settings.model_fields["name"].default for settings in get_args(union)}


def test_a_model_keeps_its_settings() -> None:
    settings = MlpSettings(layers=(3,))
    assert getattr(model_for(settings), "settings") is settings  # noqa: B009 - no part of the protocol


def test_models_and_training_are_imported_without_keras_tensorflow_or_spark() -> None:
    code = (
        "import sys, recsys_spark.models.registry, recsys_spark.training.fits, recsys_spark.training.progress_bar\n"
        "sys.exit(' '.join({'keras', 'tensorflow', 'pyspark', 'pandas'} & set(sys.modules)) or None)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
