"""What the sampler found on an earlier night, as a part of tonight's posterior mean.

Half as many epochs give half as many independent samples, and a mean that is the less exact for it. The samples of the
last night were drawn from nearly the same posterior: the fewer of a user's and an item's ratings are new, the nearer.
With a_u and a_i the shares of their ratings that were there then, w_u = carried a_u, and P, P' the means of both
nights,

    score(u, i) = P(u, i) + w_u a_i (P'(u, i) - P(u, i)).

Whoever is new, or has no ratings now, has a share of 0, and the mean of tonight's samples alone. What a night has
carried is carried again by the next one: for `carried` 0.5 the weight of a night falls by half with each further one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from recsys_spark.kernels.arrays import F32
from recsys_spark.models.warm import Weights
from recsys_spark.training.feed import TrainingRows
from recsys_spark.training.target import Target

_COUNTS = ("user_ratings", "item_ratings")
_TARGET = "target"


def memory(rows: TrainingRows, target: Target, *, n_users: int, n_items: int) -> Weights:
    """What a later fit has to know of this one beside its network: how many ratings each had, and the target.

    Args:
        rows: that were fitted.
        target: of the fit.
        n_users: indices there are.
        n_items: likewise.

    Returns:
        `user_ratings` f32[n_users], `item_ratings` f32[n_items] (exact up to 16 million), `target` f32[2].
    """
    counts = (np.bincount(rows.user, minlength=n_users), np.bincount(rows.item, minlength=n_items))
    known = {name: count.astype(np.float32) for name, count in zip(_COUNTS, counts, strict=True)}
    return known | {_TARGET: np.array([target.offset, target.scale], np.float32)}


@dataclass(frozen=True, eq=False)
class EarlierMean:
    """An earlier mean in units of tonight's target, and how much of it counts.

    Args:
        user: f32[n_users, k]
        item: f32[n_items, k]
        user_bias: f32[n_users]
        item_bias: f32[n_items]
        user_weight: f32[n_users], w_u, at most `carried`.
        item_share: f32[n_items], a_i.
        carried: of a user or item without new ratings.
    """

    user: F32
    item: F32
    user_bias: F32
    item_bias: F32
    user_weight: F32
    item_share: F32
    carried: float

    @classmethod
    def of(cls, start: Weights, rows: TrainingRows, target: Target, *, sizes: tuple[int, int], carried: float) -> Self:
        """The mean of an earlier fit, for as many users and items as there are now.

        Args:
            start: what it learned: its network's weights and its `memory`.
            rows: that are fitted now.
            target: of this fit.
            sizes: users and items that there are now.
            carried: at most this part of the new mean comes from it.
        """
        now = memory(rows, target, n_users=sizes[0], n_items=sizes[1])
        offset, scale = start[_TARGET]
        user, item, user_bias, item_bias, *then = (
            _grown(start[name], size)
            for names in (("user_embedding.0", "item_embedding.0"), ("user_bias.0", "item_bias.0"), _COUNTS)
            for name, size in zip(names, sizes, strict=True)
        )
        user_share, item_share = (_share(a, now[name]) for a, name in zip(then, _COUNTS, strict=True))
        ratio = np.float32(scale / target.scale)
        moved = np.float32((offset - target.offset) / target.scale)
        return cls(
            user=user * ratio,
            item=item,
            user_bias=user_bias[:, 0] * ratio + moved,
            item_bias=item_bias[:, 0] * ratio,
            user_weight=np.float32(carried) * user_share,
            item_share=item_share,
            carried=carried,
        )

    @staticmethod
    def is_in(start: Weights) -> bool:
        """Whether the first weights are those of a sampler that left its memory."""
        return _TARGET in start

    def mixed(self, predicted: F32, rows: TrainingRows) -> F32:
        """What tonight's mean predicts for some rows, f32[n], in units of the target, with this mean in it."""
        factors = np.einsum("nk,nk->n", self.user[rows.user], self.item[rows.item])
        then = self.user_bias[rows.user] + self.item_bias[rows.item] + factors
        weight = self.user_weight[rows.user] * self.item_share[rows.item]
        mixed: F32 = predicted + weight * (then - predicted)
        return mixed

    def factors(self, user: F32, item: F32) -> tuple[F32, F32]:
        """Tonight's factors with these in them, as one product of more columns; exactly the formula above."""
        w, a = self.user_weight[:, None], self.item_share[:, None]
        return np.hstack([user, -w * user, w * self.user]), np.hstack([item, a * item, a * self.item])

    def biases(self, user: F32, item: F32) -> tuple[F32, F32]:
        """Tonight's biases with these in them, each by its own share alone."""
        w, a = self.user_weight, np.float32(self.carried) * self.item_share
        return user + w * (self.user_bias - user), item + a * (self.item_bias - item)


def _grown(array: F32, rows: int) -> F32:
    """With zeros for those who are new."""
    missing = [(0, rows - len(array))] + [(0, 0)] * (array.ndim - 1)
    return np.pad(array, missing)


def _share(then: F32, now: F32) -> F32:
    share: F32 = np.where(now > 0, np.minimum(then / np.maximum(now, 1), 1), 0).astype(np.float32)
    return share
