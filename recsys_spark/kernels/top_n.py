"""The best N unseen candidates of each user, exactly.

For every user and candidate the score is `score32` to the bit; the list is ordered by score descending, then by item
index ascending. Which path makes the lists depends on the model and the CPU and changes the speed, never a row:

| kernel | scorers | CPUs |
| --- | --- | --- |
| `plain` | all | all |
| `screen` | dot products, one or two hidden relu layers | those with 8-bit dot products (VNNI) |
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np

from recsys_spark.errors import DataError
from recsys_spark.kernels import screened_dots, screened_layers, screened_two_layers
from recsys_spark.kernels.arrays import I32, I64, indices
from recsys_spark.kernels.cpu import byte_lanes
from recsys_spark.kernels.head import head_of
from recsys_spark.kernels.lanes import LANES
from recsys_spark.kernels.lists import Seen, TopN, checked_seen
from recsys_spark.kernels.plain import USERS_PER_TILE, PackedItems, pack, plain_lists
from recsys_spark.kernels.relu_rows import padded_units
from recsys_spark.kernels.score32 import side_of
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.screen import Exact, ScreenedItems, screened_lists

__all__ = ["Kernel", "PreparedItems", "TopN", "prepare", "top_n"]

Kernel = Literal["auto", "plain", "screen"]

_FEW_CANDIDATES = 256
"""So few are scored before a bound has left anything out."""

_MOST_COLUMNS = 60_000
"""Of dot products of 8-bit codes whose sum fits 32 bits."""


def top_n(scorer: PairScorer, users: I32, *, candidates: I32, seen_offsets: I64, seen_items: I32, n: int) -> TopN:
    """Prepare the candidates and make the lists of some users; see `prepare` and `PreparedItems.top_n`."""
    return prepare(scorer, candidates).top_n(users, seen_offsets=seen_offsets, seen_items=seen_items, n=n)


def prepare(
    scorer: PairScorer,
    candidates: I32,
    *,
    kernel: Kernel = "auto",
    items_per_block: int = LANES,
    users_per_tile: int = USERS_PER_TILE,
) -> PreparedItems:
    """Make the candidates of a scorer ready, once for any number of calls.

    Args:
        scorer: what to compute.
        candidates: i32[c], indices of the items that may be recommended, strictly ascending; may be empty.
        kernel: auto: `screen` where it is possible and pays; `screen` is `plain` where it is not possible.
        items_per_block: of the plain kernel; changes the speed, never a row.
        users_per_tile: likewise.

    Raises:
        DataError: an index out of range, or not in strictly ascending order.
    """
    candidates = indices(candidates, below=scorer.n_items, subject="candidates")
    descents = np.flatnonzero(candidates[1:] <= candidates[:-1])
    if descents.size:
        raise DataError(
            "candidates",
            expected="item indices in strictly ascending order",
            found=f"{candidates[descents[0] + 1]} after {candidates[descents[0]]}",
        )
    least = {"auto": _FEW_CANDIDATES, "screen": 1}
    screens = kernel in least and len(candidates) >= least[kernel] and _can_screen(scorer)
    return PreparedItems(scorer, candidates, screens, items_per_block, users_per_tile)


def _can_screen(scorer: PairScorer) -> bool:
    """Whether there are bounds for this scorer, and instructions for them."""
    if not byte_lanes() or not scorer.n_users or not scorer.item.shape[1]:
        return False
    if scorer.is_dot:
        return bool(scorer.user.shape[1] <= _MOST_COLUMNS)
    known = screened_layers.fits(scorer) or screened_two_layers.fits(scorer)
    return known and len(scorer.layers[0].bias) <= _MOST_COLUMNS


@dataclass(frozen=True, eq=False)
class PreparedItems:
    """The item side of a scorer for one set of candidates; made by `prepare`."""

    scorer: PairScorer
    candidates: I32
    screens: bool
    items_per_block: int
    users_per_tile: int

    def top_n(self, users: I32, *, seen_offsets: I64, seen_items: I32, n: int) -> TopN:
        """The best n unseen candidates of each user.

        Args:
            users: i32[m], indices of users.
            seen_offsets: i64[m + 1], where each user's seen items begin and end.
            seen_items: i32[...], for each user ascending item indices. Duplicates and items that are no candidates, or
                unknown to the scorer, do no harm.
            n: entries wanted, at least 1; may exceed the candidates.

        Returns:
            One list for each user, in the order of `users`.

        Raises:
            DataError: an index out of range, seen lists that do not fit the users or are not ascending, n below 1.
        """
        if n < 1:
            raise DataError("top_n: n", expected="at least 1", found=str(n))
        users = indices(users, below=self.scorer.n_users, subject="users")
        seen = checked_seen(seen_offsets, seen_items, n_users=len(users))
        lists = TopN.empty(len(users), n)
        rest = self._screened(users, seen, lists) if self.screens else np.arange(len(users))
        if len(rest) == len(users):
            plain_lists(self.scorer, users, self._packed, seen, lists, users_per_tile=self.users_per_tile)
        elif len(rest):
            own = TopN.empty(len(rest), n)
            own_seen = Seen(seen.next[rest], seen.stop[rest], seen.items)
            plain_lists(self.scorer, users[rest], self._packed, own_seen, own, users_per_tile=self.users_per_tile)
            for all_lists, some in zip(lists, own, strict=True):
                all_lists[rest] = some
        return lists

    def _screened(self, users: I32, seen: Seen, lists: TopN) -> I64:
        """Fill lists by screening; gives the users that are left, since something might overflow in their scores."""
        scorer, head = self.scorer, head_of(self.scorer)
        halves = item_weight = np.empty((0, 0), np.float32)
        if scorer.is_dot:
            items = self._coded_dots
            coded, sound = screened_dots.screen_users(scorer, users, items)
        elif screened_two_layers.fits(scorer):
            items = self._coded_two_layers.items
            coded, sound = screened_two_layers.screen_users(scorer, users, self._coded_two_layers)
        else:
            items = self._coded_layer.items
            coded, sound, halves = screened_layers.screen_users(scorer, users, self._coded_layer)
            item_weight = head.item_weight.T
        exact = Exact(
            side_of(scorer.user, scorer.user_bias),
            side_of(scorer.item, scorer.item_bias),
            head,
            padded_units(halves),
            padded_units(item_weight),
        )
        screened_lists(exact, users, coded, items, seen, lists)
        lists.screened[sound] = True
        rest: I64 = np.flatnonzero(~sound)
        return rest

    # what only some scorers and users need is made when one of them comes

    @functools.cached_property
    def _packed(self) -> PackedItems:
        return pack(self.scorer, self.candidates, items_per_block=self.items_per_block)

    @functools.cached_property
    def _coded_dots(self) -> ScreenedItems:
        return screened_dots.screen_items(self.scorer, self.candidates)

    @functools.cached_property
    def _coded_layer(self) -> screened_layers.ScreenedLayer:
        return screened_layers.screen_items(self.scorer, self.candidates)

    @functools.cached_property
    def _coded_two_layers(self) -> screened_two_layers.ScreenedTwoLayers:
        return screened_two_layers.screen_items(self.scorer, self.candidates)
