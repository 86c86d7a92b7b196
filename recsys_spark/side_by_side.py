"""Spark actions that do not need each other, at the same time.

Small jobs leave most of a cluster, and most of two cores, idle while the driver plans; started together they overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

AT_ONCE = 4
"""Actions that run at the same time, at most."""


def side_by_side(*actions: Callable[[], Any]) -> list[Any]:
    """Run actions at the same time and wait for all of them.

    Returns:
        Their results, in the order of the actions.

    Raises:
        Exception: that of the first action, in their order, that failed, once all have ended.
    """
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="side_by_side") as pool:
        futures = [pool.submit(action) for action in actions]
    return [future.result() for future in futures]
