"""Secrets where people put them, rightly or by mistake: none of them is ever repeated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys_spark.command import main
from recsys_spark.publishing.summary import Summary
from recsys_spark.secret import masked, redacted
from tests.conftest import PROJECT

CANARY = "Kanari3nvogel/+x"
Told = Callable[..., tuple[int, str]]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Told:
    """Runs `nightly --dry-run`; gives the exit code and all that was printed, which must not hold the canary."""

    def run(*arguments: str) -> tuple[int, str]:
        def never(job: object) -> None:
            raise AssertionError("a dry run must not start the job")

        code = main("nightly", never, PROJECT, ["--dry-run", "--set", f"output.path={tmp_path}/output", *arguments])
        printed = capsys.readouterr()
        everything = printed.out + printed.err
        assert json.loads(printed.out.splitlines()[-1])["status"] == ("dry_run" if code == 0 else "invalid")
        assert CANARY not in everything
        assert CANARY not in everything.replace("\\", "")
        return code, everything

    return run


URIS = [
    f"s3a://AKIA:{CANARY}@bucket/x",
    f"s3a://:{CANARY}@bucket/x",
    f"ftp://me:{CANARY}@host:21/x",
    f"https://host/x?sv=2024&sig={CANARY}",
    f"https://host/x?access_key={CANARY}&y=1",
    f"wasbs://c@account/x;password={CANARY}",
]
KEYS = [
    "source.path={}",
    "items={{path: '{}', columns: {{item: id}}}}",
    "users.path={}",
    "pairs.path={}",
    "scoring.exclude={{path: '{}'}}",
    "scoring.segments={{table: {{path: '{}'}}}}",
    "output.path={}",
]


@pytest.mark.parametrize("uri", URIS)
@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.split("=")[0])
def test_a_path_with_a_password_in_it_is_refused(told: Told, key: str, uri: str) -> None:
    code, everything = told("--set", key.format(uri))

    assert code == 2
    assert "path: expected a path or URI without a password in it, found one with a password (not shown)" in everything
    assert "docs/secrets.md" in everything
    assert (PROJECT / "docs" / "secrets.md").exists()


@pytest.mark.parametrize(
    "path",
    [
        "hdfs://me@name-node:8020/a@b",
        "abfss://container@account.dfs.core.windows.net/x",
        "s3a://bucket/a:b@c/*.csv",
        "hdfs://name-node:8020/x",
        "gs://bucket/tokens/x?.csv",
    ],
)
def test_a_user_a_port_or_a_container_is_no_password(told: Told, path: str) -> None:
    code, everything = told("--set", f"source.path={path}")

    assert code == 0
    assert path in everything


@pytest.mark.parametrize(
    "arguments",
    [
        ("--set", f"source.password={CANARY}"),
        ("--set", f"items={{password: {CANARY}, pth: x}}"),
        ("--set", f"users.password=[{CANARY}]"),
        ("--set", f"users.password={{env: {CANARY}}}"),
        ("--set", f"scoring.exclude={{path: x, password: {CANARY}}}"),
        ("--set", f"scoring.exclude={{password: {CANARY}}}"),
        ("--set", f"source.pasword={CANARY}"),
        ("--set", f"password={CANARY}"),
        ("--set", f"quality={{rating_range: [5, 1], password: {CANARY}}}"),
        ("--set", f"source.header={{secret: {CANARY}}}"),
        ("--set", "source.password", CANARY),
        ("--set", CANARY),
        (CANARY,),
        (f"--password={CANARY}",),
        ("--password", CANARY),
    ],
    ids=lambda arguments: " ".join(arguments).replace(CANARY, "..."),
)
def test_a_secret_in_the_wrong_place_of_a_command_line(told: Told, arguments: tuple[str, ...]) -> None:
    assert told(*arguments)[0] == 2


@pytest.mark.parametrize(
    "text",
    [
        f"source: {{password: {CANARY}}}",
        f'source:\n  password: "{CANARY}\n  header: true\n',
        f"source:\n  password: *{CANARY.replace('/', '')}",
        f"source:\n  password: !{CANARY}",
        f"source:\n  password: !!python/object/apply:os.system [{CANARY}]",
        f"source:\n  password: {CANARY}: x\n",
        f"source:\n  password: {CANARY}\n\theader: true",
        f"source:\n  password: %{CANARY}",
        f"source:\n  password: - {CANARY}",
        CANARY,
        f"- {CANARY}",
    ],
)
def test_a_secret_in_a_file_that_is_refused(
    told: Told, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)

    code, everything = told("--config", str(file))

    assert code == 2
    assert CANARY.replace("/", "") not in everything
    assert "mine.yaml" in everything or "source.password" in everything


def test_a_file_that_cannot_be_read_is_told_with_the_place(told: Told, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text('split: {seed: 1}\nsource:\n  path: "x\n')

    assert "while scanning" not in told("--config", str(file))[1]
    assert "in line 4, column 1" in told("--config", str(file))[1]


def test_the_bytes_of_a_secret_that_is_no_text_are_not_shown(told: Told, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(CANARY.encode() + b"\xff")

    code, everything = told("--set", f"source.password=file:{tmp_path}/secret")

    assert code == 2
    assert "expected text in UTF-8" in everything


def test_an_unexpected_error_shows_no_password_of_a_uri_and_the_innermost_cause() -> None:
    summary = Summary()
    summary.fail(RuntimeError(f"An error occurred while calling o1.x\nCaused by: a\nCaused by: s3a://k:{CANARY}@b/x"))

    assert summary.error is not None
    assert summary.error["message"] == "RuntimeError: s3a://***@b/x"


def test_text_without_a_password_is_left_alone() -> None:
    for text in ("a://b/c", "at 10:30, me@host", "hdfs://me@host:80/x@y", "signal=5", "?x=1&y=2", "a:b@c"):
        assert redacted(text) == text
    assert masked({"rating_range": (5, 1), "design": "x", "header": True}) == {
        "rating_range": (5, 1),
        "design": "x",
        "header": True,
    }
