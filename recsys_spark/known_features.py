"""The features that a night knows of its users and items, as fits and scoring take them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from recsys_spark.ingest.features import RawFeatures, has_features, read_features
from recsys_spark.ingest.ingested import Ingested
from recsys_spark.kernels.arrays import F32, Flags
from recsys_spark.models.registry import model_for
from recsys_spark.models.sides import Side, Sides
from recsys_spark.settings import Settings
from recsys_spark.training.feed import TrainingRows

if TYPE_CHECKING:
    from recsys_spark.training.features import KnownOf


@dataclass(frozen=True, eq=False)
class KnownFeatures:
    """What is known of the users and items of an ingest.

    Args:
        n_users: users there are.
        n_items: items there are.
        users: their features; none: the model uses none, or nothing is known.
        items: likewise.
    """

    n_users: int
    n_items: int
    users: RawFeatures | None = None
    items: RawFeatures | None = None

    @classmethod
    def of(cls, settings: Settings, ingested: Ingested) -> Self:
        """Read the features that the settings name, if the model uses any; on the driver, as `read_features` says."""
        chosen = {"user": settings.users.features, "item": settings.items.features}
        used = model_for(settings.model).uses_features

        def features(side: Side, n: int) -> RawFeatures | None:
            columns = chosen[side]
            return read_features(ingested.folder / f"{side}s", side, columns, n) if used and columns.names else None

        n_users, n_items = ingested.vocabularies.users.size, ingested.vocabularies.items.size
        return cls(n_users, n_items, features("user", n_users), features("item", n_items))

    def sides(self, rows: TrainingRows) -> Sides:
        """The users and items as a fit of some rows may know them."""
        columns: dict[Side, F32] = {
            "user": np.empty((self.n_users, 0), np.float32),
            "item": np.empty((self.n_items, 0), np.float32),
        }
        columns |= {side: known.columns() for side, known in self._known(rows)}
        return Sides(self.n_users, self.n_items, columns["user"], columns["item"])

    def description(self, rows: TrainingRows) -> dict[str, Any]:
        """How the features became columns in a fit of some rows: by side, of those that have features."""
        return {side: known.encoder.describe() for side, known in self._known(rows)}

    def _known(self, rows: TrainingRows) -> Iterator[tuple[Side, KnownOf]]:
        from recsys_spark.training.features import known_of

        user = known_of(self.users, rows.user, self.n_users, "user")
        item = known_of(self.items, rows.item, self.n_items, "item")
        if user is not None:
            yield "user", user
        if item is not None:
            yield "item", item

    def usable(self, side: Side) -> Flags:
        """Whose features give them a vector without any rating: bool[n]."""
        raw = self.users if side == "user" else self.items
        count = self.n_users if side == "user" else self.n_items
        return np.zeros(count, np.bool_) if raw is None else has_features(raw)
