"""The best N unseen candidates of each user, exactly.

For every user and candidate the score is `score32` to the bit; the list is ordered by score descending, then by item
index ascending. Which path makes the lists depends on the model and the CPU and changes the speed, never a row:

| kernel | scorers | CPUs |
| --- | --- | --- |
| `plain` | all | all |
| `screen` | dot products, one or two hidden relu layers | those with 8-bit dot products (VNNI) |
| (none of them: `one_order`) | biases alone, without variants and segments | all |
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from recsys_spark.errors import DataError
from recsys_spark.kernels import one_order, screened_dots, screened_layers, screened_two_layers
from recsys_spark.kernels.arrays import I32, I64, Flags, indices, read_only
from recsys_spark.kernels.cpu import byte_lanes
from recsys_spark.kernels.head import head_of
from recsys_spark.kernels.lanes import LANES
from recsys_spark.kernels.lists import Seen, TopN, checked_seen
from recsys_spark.kernels.order import Order, order_of
from recsys_spark.kernels.plain import USERS_PER_TILE, PackedItems, pack, plain_lists
from recsys_spark.kernels.relu_rows import padded_units
from recsys_spark.kernels.score32 import side_of
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.screen import ScreenedItems, screened_lists
from recsys_spark.kernels.search import Exact
from recsys_spark.kernels.segments import NOTHING_CLOSED, ClosedBits, Segments, checked_segments
from recsys_spark.kernels.tile import BLOCK, SecondLayer

__all__ = ["Kernel", "PreparedItems", "TopN", "prepare", "top_n"]

Kernel = Literal["auto", "plain", "screen"]

_FEW_CANDIDATES = 256
"""So few are scored before a bound has left anything out."""

_MOST_COLUMNS = 60_000
"""Of dot products of 8-bit codes whose sum fits 32 bits."""


_CODED_AT_ONCE = 1 << 27
"""Bytes of coded candidates that are kept from one call to the next. More are coded in parts, for each call anew."""

_MOST_VARIANTS = 63

_FEW_SEGMENTS = 32
"""So many may have coded candidates of their own."""

_BESIDE_CODES = 64
"""Bytes of a candidate besides its codes: order, bits, scales, a packed row's share."""

_NO_SEGMENTS = Segments(np.zeros(1, np.int64), np.zeros(0, np.int32))


def top_n(scorer: PairScorer, users: I32, *, candidates: I32, seen_offsets: I64, seen_items: I32, n: int) -> TopN:
    """Prepare the candidates and make the lists of some users; see `prepare` and `PreparedItems.top_n`."""
    return prepare(scorer, candidates).top_n(users, seen_offsets=seen_offsets, seen_items=seen_items, n=n)


def prepare(
    scorer: PairScorer,
    candidates: I32,
    *,
    variants: Sequence[Flags] = (),
    segments: Segments | None = None,
    kernel: Kernel = "auto",
    items_per_block: int = LANES,
    users_per_tile: int = USERS_PER_TILE,
) -> PreparedItems:
    """Make the candidates of a scorer ready, once for any number of calls.

    Args:
        scorer: what to compute.
        candidates: i32[c], indices of the items that may be recommended, strictly ascending; may be empty.
        variants: bool[n_items] for each list of a user: which items may enter it; none: one list, of all candidates.
        segments: which items the users of a segment may get; none: no user has a segment.
        kernel: auto: `screen` where it is possible and pays; `screen` is `plain` where it is not possible.
        items_per_block: of the plain kernel; changes the speed, never a row.
        users_per_tile: likewise.

    Raises:
        DataError: an index out of range, or not in strictly ascending order; or too many variants.
    """
    candidates = indices(candidates, below=scorer.n_items, subject="candidates")
    descents = np.flatnonzero(candidates[1:] <= candidates[:-1])
    if descents.size:
        raise DataError(
            "candidates",
            expected="item indices in strictly ascending order",
            found=f"{candidates[descents[0] + 1]} after {candidates[descents[0]]}",
        )
    if len(variants) > _MOST_VARIANTS:
        raise DataError("variants", expected=f"at most {_MOST_VARIANTS}", found=str(len(variants)))
    members = np.zeros(scorer.n_items, np.int64) if variants else np.ones(scorer.n_items, np.int64)
    for number, may_enter in enumerate(variants):
        members |= may_enter.astype(np.int64) << number
    # what may enter no list is no candidate, but must be finite as the others are; so it stays for `plain`
    least = {"auto": _FEW_CANDIDATES, "screen": 1}
    screens = kernel in least and len(candidates) >= least[kernel] and _can_screen(scorer)
    return PreparedItems(
        scorer, candidates, members, max(len(variants), 1), segments, screens, items_per_block, users_per_tile, kernel
    )


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
    members: I64
    n_variants: int
    segments: Segments | None
    screens: bool
    items_per_block: int
    users_per_tile: int
    kernel: Kernel = "auto"

    @property
    def users_at_once(self) -> int:
        """Users that one call should have, so that what is made for each call does not weigh much."""
        in_parts = self.screens and len(self._parts) > 1
        return 8192 if in_parts or self._segments_apart else 1024

    def top_n(
        self,
        users: I32,
        *,
        seen_offsets: I64,
        seen_items: I32,
        n: int,
        min_score: float = -np.inf,
        segment: I32 | None = None,
    ) -> TopN:
        """The best n unseen candidates of each user.

        Args:
            users: i32[m], indices of users.
            seen_offsets: i64[m + 1], where each user's seen items begin and end.
            seen_items: i32[...], for each user ascending item indices. Duplicates and items that are no candidates, or
                unknown to the scorer, do no harm.
            n: entries wanted, at least 1; may exceed the candidates.
            min_score: scores below this (`score32`, unclipped) enter no list.
            segment: i32[m], the segment of each user, -1: all candidates are eligible; none where there are none.

        Returns:
            The lists of each user, one for each variant, in the order of `users`.

        Raises:
            DataError: an index or a segment out of range, seen lists or segments that do not fit the users, seen lists
                that are not ascending, n below 1.
        """
        if n < 1:
            raise DataError("top_n: n", expected="at least 1", found=str(n))
        users = indices(users, below=self.scorer.n_users, subject="users")
        seen = checked_seen(seen_offsets, seen_items, n_users=len(users))
        segment = checked_segments(segment, self.segments, n_users=len(users))
        floor = _float32_not_below(min_score)
        if segment is None or not self._segments_apart:
            return self._lists(users, seen, segment, floor, n)
        lists = TopN.empty(len(users), n, self.n_variants)
        for number in np.unique(segment):
            rows = np.flatnonzero(segment == number)
            of_segment = self if number < 0 else self._of_segment(int(number))
            lists.put(rows, of_segment._lists(read_only(users[rows]), seen.of(rows), None, floor, n))
        return lists

    def _lists(self, users: I32, seen: Seen, segment: I32 | None, floor: np.float32, n: int) -> TopN:
        lists = TopN.empty(len(users), n, self.n_variants)
        if self._in_one_order and segment is None:
            one_order.one_order_lists(self.scorer, users, self._one_order, seen, floor, lists)
            lists.put_in_order()
            return lists
        rest = self._screened(users, seen, segment, floor, lists) if self.screens else np.arange(len(users))
        if len(rest):
            own = TopN.empty(len(rest), n, self.n_variants)
            own_seen, some = seen.of(rest), read_only(users[rest])
            closed = NOTHING_CLOSED if segment is None else self._closed_plain.of(segment[rest])
            tile = self.users_per_tile
            plain_lists(self.scorer, some, self._packed, own_seen, closed, floor, own, users_per_tile=tile)
            lists.put(rest, own)
        lists.put_in_order()
        return lists

    def _screened(self, users: I32, seen: Seen, segment: I32 | None, floor: np.float32, lists: TopN) -> I64:
        """Fill lists by screening; gives the users that are left, since something might overflow in their scores."""
        scorer, head = self.scorer, head_of(self.scorer)
        halves = item_weight = np.empty((0, 0), np.float32)
        start = np.empty((1, 0), np.float32)
        if scorer.is_dot:
            coded, sound = screened_dots.screen_users(scorer, users, self._whole[0])
        elif screened_two_layers.fits(scorer):
            coded, sound = screened_two_layers.screen_users(scorer, users, self._two_layers)
        else:
            coded, sound, halves = screened_layers.screen_users(scorer, users, self._layer)
            item_weight = head.item_weight.T
            start = head.item_start[None] if scorer.transposed else np.zeros((1, len(head.user_weight)), np.float32)
        exact = Exact(
            side_of(scorer.user, scorer.user_bias),
            side_of(scorer.item, scorer.item_bias),
            head,
            padded_units(halves),
            padded_units(item_weight),
            padded_units(start)[0],
        )
        closed = NOTHING_CLOSED if segment is None else self._closed.of(segment)
        for part in self._parts:
            items, second = self._whole if len(self._parts) == 1 else self._coded(part)
            if second is not None:
                coded = coded._replace(second=second._replace(user_part=coded.second.user_part))
            screened_lists(exact, users, coded, items, self._order, seen, closed, floor, lists)
            # not beside the next part
            del items, second
        lists.screened[sound] = True
        rest: I64 = np.flatnonzero(~sound)
        return rest

    @functools.cached_property
    def _in_one_order(self) -> bool:
        """Whether one order of the candidates serves all lists."""
        return self.kernel != "plain" and self.n_variants == 1 and one_order.fits(self.scorer)

    @functools.cached_property
    def _one_order(self) -> one_order.OneOrder:
        return one_order.one_order_of(self.scorer, self.candidates)

    @functools.cached_property
    def _segments_apart(self) -> bool:
        """Whether the candidates of each segment are kept apart, so that nobody meets others: if that is not too much.

        Else the candidates that a segment may not get are left out one by one, by bits.
        """
        if self.segments is None or len(self.segments) > _FEW_SEGMENTS:
            return False
        widest = max((len(layer.bias) for layer in self.scorer.layers), default=self.scorer.item.shape[1])
        return len(self.segments.items) * (widest + _BESIDE_CODES) <= _CODED_AT_ONCE

    def _of_segment(self, number: int) -> PreparedItems:
        if number not in self._apart:
            offsets, items = (self.segments or _NO_SEGMENTS).offsets, (self.segments or _NO_SEGMENTS).items
            eligible = np.intersect1d(items[offsets[number] : offsets[number + 1]], self.candidates)
            candidates = read_only(eligible.astype(np.int32))
            screens = self.screens and len(candidates) > 0
            self._apart[number] = replace(self, candidates=candidates, segments=None, screens=screens)
        return self._apart[number]

    @functools.cached_property
    def _apart(self) -> dict[int, PreparedItems]:
        return {}

    @property
    def _parts(self) -> list[tuple[int, int]]:
        """Blocks from .. to below, for each part of the candidates that is coded at once."""
        blocks = len(self._order.items)
        if self.scorer.is_dot:
            return [(0, blocks)]
        outputs = len(self.scorer.layers[1].bias)
        per_block = BLOCK * (len(self.scorer.layers[0].bias) + 4 * outputs)
        size = max(1, _CODED_AT_ONCE // per_block)
        return [(first, min(first + size, blocks)) for first in range(0, blocks, size)]

    def _coded(self, part: tuple[int, int]) -> tuple[ScreenedItems, SecondLayer | None]:
        if self.scorer.is_dot:
            return screened_dots.screen_items(self.scorer, self._order), None
        if screened_two_layers.fits(self.scorer):
            return screened_two_layers.screen_items(self.scorer, self._two_layers, self._order, *part)
        return screened_layers.screen_items(self.scorer, self._layer, self._order, *part), None

    # what only some scorers and users need is made when one of them comes

    @functools.cached_property
    def _packed(self) -> PackedItems:
        return pack(self.scorer, self.candidates, self.members, items_per_block=self.items_per_block)

    @functools.cached_property
    def _order(self) -> Order:
        first = screened_dots.liked_first if self.scorer.is_dot else screened_layers.popular_first
        return order_of(first(self.scorer, self.candidates), self.members)

    @functools.cached_property
    def _closed(self) -> ClosedBits:
        return ClosedBits(self.segments or _NO_SEGMENTS, self._order.place, self._order.items.size)

    @functools.cached_property
    def _closed_plain(self) -> ClosedBits:
        return ClosedBits(self.segments or _NO_SEGMENTS, self._packed.position, len(self.candidates))

    @functools.cached_property
    def _whole(self) -> tuple[ScreenedItems, SecondLayer | None]:
        return self._coded(self._parts[0])

    @functools.cached_property
    def _layer(self) -> screened_layers.ScreenedLayer:
        return screened_layers.layer_of(self.scorer, self.candidates)

    @functools.cached_property
    def _two_layers(self) -> screened_two_layers.ScreenedTwoLayers:
        return screened_two_layers.layers_of(self.scorer, self.candidates)


def _float32_not_below(value: float) -> np.float32:
    """The lowest float32 number that is not below a number."""
    nearest = np.float32(value)
    return nearest if float(nearest) >= value else np.nextafter(nearest, np.float32(np.inf))
