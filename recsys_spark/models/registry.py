"""The models by the name that selects them in the configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recsys_spark.models.blend import Blend
from recsys_spark.models.bpr import Bpr
from recsys_spark.models.classifier import Classifier
from recsys_spark.models.dot import Dot
from recsys_spark.models.ials import Ials
from recsys_spark.models.joint import Joint
from recsys_spark.models.mlp import Mlp
from recsys_spark.models.model import Model
from recsys_spark.models.posterior_mf import PosteriorMf
from recsys_spark.models.settings import ModelSettings
from recsys_spark.models.softmax import Softmax

MODELS: dict[str, Callable[[Any], Model]] = {
    "dot": Dot,
    "mlp": Mlp,
    "classifier": Classifier,
    "posterior_mf": PosteriorMf,
    "ials": Ials,
    "joint": Joint,
    "bpr": Bpr,
    "softmax": Softmax,
    "blend": Blend,
}


def model_for(settings: ModelSettings) -> Model:
    """The model that some settings describe."""
    return MODELS[settings.name](settings)
