"""The model `ials`."""

from __future__ import annotations

from recsys_spark.models.settings import IalsSettings
from tests.contracts.ranking_model import WarmRankingModelContract


class TestIals(WarmRankingModelContract):
    settings = IalsSettings(embedding_size=4)
