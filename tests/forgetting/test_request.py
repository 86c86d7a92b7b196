"""Requests: what counts as an id, and that no id is shown."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from recsys_spark.command import main
from recsys_spark.forgetting.request import Request, declare, request
from tests.conftest import PROJECT


def test_ids_stand_one_a_line_whatever_the_ends_of_lines_and_the_blanks_are(tmp_path: Path) -> None:
    (tmp_path / "users").write_bytes("\ufeff7\r\n  Zoë \n\n7\n\t\na b\n".encode())

    assert request(str(tmp_path / "users")) == ("7", "Zoë", "a b")


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b" \n\n", "at least one id"), (b"\xff\xfe7", "not UTF-8"), (None, "no such file")],
)
def test_a_file_that_holds_no_ids_is_told(tmp_path: Path, content: bytes | None, expected: str) -> None:
    if content is not None:
        (tmp_path / "users").write_bytes(content)

    with pytest.raises(ArgumentTypeError, match=expected):
        request(str(tmp_path / "users"))


def test_a_request_does_not_show_its_ids() -> None:
    assert "secret" not in repr(Request(["secret-1", "secret-2"]))


def test_a_dry_run_checks_the_file_and_shows_no_id(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "users").write_text("secret-1\n")
    # the sources need not be there
    common = ["--dry-run", "--set", f"output.path={tmp_path}/output", "--set", "source.path=none.csv"]

    code = main("forget", lambda _: None, PROJECT, [*common, "--users", str(tmp_path / "users")], own=declare)
    printed = capsys.readouterr()
    assert (code, json.loads(printed.out.splitlines()[-1])["status"]) == (0, "dry_run")
    assert "secret" not in printed.out + printed.err

    assert main("forget", lambda _: None, PROJECT, common, own=declare) == 2
    assert main("forget", lambda _: None, PROJECT, [*common, "--users", "none.txt"], own=declare) == 2
