"""The model `bpr`."""

from __future__ import annotations

from recsys_spark.models.settings import BprSettings
from tests.contracts.ranking_model import WarmRankingModelContract


class TestBpr(WarmRankingModelContract):
    settings = BprSettings(embedding_size=4)
