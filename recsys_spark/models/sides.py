"""What a network is built for: how many users and items there are, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from recsys_spark.kernels.arrays import F32

Side = Literal["user", "item"]
SIDES: tuple[Side, Side] = ("user", "item")


def _nothing_known() -> F32:
    return np.empty((0, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Sides:
    """The users and the items.

    Args:
        n_users: users there are, with or without a rating.
        n_items: items there are, with or without a rating.
        user_features: f32[n_users, f_u], scaled; no columns: nothing is known of them.
        item_features: f32[n_items, f_i], likewise.

    Example:
        >>> Sides(n_users=30, n_items=100).features("item").shape
        (100, 0)
    """

    n_users: int
    n_items: int
    user_features: F32 = field(default_factory=_nothing_known)
    item_features: F32 = field(default_factory=_nothing_known)

    def count(self, side: Side) -> int:
        """How many users or items there are."""
        return self.n_users if side == "user" else self.n_items

    def features(self, side: Side) -> F32:
        """The features of a side, f32[count, f]; f may be 0."""
        known = self.user_features if side == "user" else self.item_features
        return known if known.size else np.empty((self.count(side), 0), np.float32)
