"""Who is to be forgotten: a file with one id a line. What stands in it is never shown, nor kept."""

from __future__ import annotations

import argparse
from pathlib import Path

from recsys_spark.ingest.forgotten import BLANKS


class Request(tuple[str, ...]):
    """The ids of a request, each once; does not show them."""

    def __repr__(self) -> str:
        return f"<{len(self)} users>"


def request(path: str) -> Request:
    """Read a request; blank lines and blanks around an id do not count.

    Args:
        path: of a UTF-8 text file with one id a line.

    Raises:
        argparse.ArgumentTypeError: there is no such file, it is no text, or it holds no id.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise argparse.ArgumentTypeError(f"'{path}' cannot be read: {(error.strerror or '').lower()}") from None
    except UnicodeDecodeError:
        raise argparse.ArgumentTypeError(f"'{path}' is not UTF-8 text") from None
    ids = Request(sorted({line.strip(BLANKS) for line in text.split("\n")} - {""}))
    if not ids:
        raise argparse.ArgumentTypeError(f"expected at least one id, one a line; '{path}' holds none")
    return ids


def declare(parser: argparse.ArgumentParser) -> None:
    """The argument that the job `forget` has of its own."""
    parser.add_argument("--users", type=request, required=True, metavar="FILE", help="their ids, one a line, UTF-8")
