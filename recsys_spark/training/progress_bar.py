"""Fits as a person sees them: one line that moves on a terminal, a line after each epoch elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO

from recsys_spark.training.epochs import FitNews

_WIDTH = 20
"""Characters of the bar."""

_START_OF_CLEARED_LINE = "\r\x1b[K"


class ProgressBar:
    """A watcher that writes to stderr.

    Args:
        stream: where to write; none: stderr as it is when something is written.
        say: takes a line after each epoch instead, where nothing may be drawn.
    """

    def __init__(self, stream: TextIO | None = None, say: Callable[[str], None] | None = None) -> None:
        self._stream, self._say = stream, say

    def __call__(self, news: FitNews) -> None:
        """Write where the fit stands, if it is worth a line here."""
        if self._say is not None:
            if news.what == "epoch":
                self._say(told(news))
            return
        stream = self._stream or sys.stderr
        if stream.isatty():
            end = "\n" if news.what == "fit" else ""
            stream.write(f"{_START_OF_CLEARED_LINE}{_bar(news)} {told(news)}{end}")
            stream.flush()
        elif news.what == "epoch":
            stream.write(f"{told(news)}\n")
            stream.flush()


def told(news: FitNews) -> str:
    """Where a fit stands, in one line."""
    parts = [
        f"{news.fit} fit: epoch {news.epoch}/{news.epochs}",
        f"{_rounded(news.rows_per_second)} rows/s",
        f"loss {news.loss:.4f}",
        *([] if news.val_loss is None else [f"val_loss {news.val_loss:.4f}"]),
        *([] if news.val_ndcg is None else [f"val_ndcg@10 {news.val_ndcg:.4f}"]),
        *([f"{_duration(news.seconds_left)} left"] if news.seconds_left else []),
    ]
    return ", ".join(parts)


def _bar(news: FitNews) -> str:
    done = round(_WIDTH * news.rows / news.rows_in_epoch)
    return "[" + "=" * done + " " * (_WIDTH - done) + "]"


def _rounded(number: float) -> str:
    if number >= 999_500:
        return f"{number / 1e6:.2f} M"
    return f"{number / 1e3:.0f} k" if number >= 999.5 else f"{number:.0f}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
