"""stderr apart from stdout, also under spark-submit."""

from __future__ import annotations

import os
import stat


def separate_stderr() -> None:
    """Send what is written to stderr to the stderr of the Spark driver's JVM.

    spark-submit runs a Python driver as a child of the JVM with one pipe for both of its streams, and copies that pipe
    to stdout: logs would mix with the summary there, and a progress bar would never find its terminal. Where there is
    no `/proc`, or the JVM writes to a plain file of its own, that is how it stays. Outside spark-submit nothing is
    changed.
    """
    if "PYSPARK_GATEWAY_PORT" not in os.environ or not os.path.sameopenfile(1, 2):
        return
    place = f"/proc/{os.getppid()}/fd/2"
    try:
        # in a plain file the JVM would go on writing at its own offset, over what is written here
        if stat.S_ISREG(os.stat(place).st_mode):  # noqa: PTH116  (a file descriptor, not a path)
            return
        of_jvm = os.open(place, os.O_WRONLY | os.O_APPEND)
    except OSError:
        return
    os.dup2(of_jvm, 2)
    os.close(of_jvm)
