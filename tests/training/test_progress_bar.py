"""A person sees one moving line on a terminal, and a line for each epoch in a log file."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from recsys_spark.training.epochs import EpochClock, FitNews, nobody
from recsys_spark.training.progress_bar import ProgressBar, told

RUNNING = FitNews("evaluated", 3, 20, 500_000, 1_000_000, 612_345.0, 75.4, 0.73123, None, "running")
EPOCH = replace(RUNNING, rows=1_000_000, loss=0.7, val_loss=0.75, what="epoch")
FIT = replace(EPOCH, seconds_left=0.0, what="fit")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_tells_fit_epoch_speed_losses_and_the_time_left() -> None:
    assert told(EPOCH) == "evaluated fit: epoch 3/20, 612 k rows/s, loss 0.7000, val_loss 0.7500, 1 min 15 s left"
    assert told(replace(RUNNING, rows_per_second=1.2e6, seconds_left=9.6)).endswith(
        "1.20 M rows/s, loss 0.7312, 10 s left"
    )
    assert "640 rows/s" in told(replace(RUNNING, rows_per_second=640.0))


def test_a_terminal_shows_one_line_that_is_written_over_until_the_fit_ends() -> None:
    terminal = Terminal()
    for news in (RUNNING, EPOCH, FIT):
        ProgressBar(terminal)(news)
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().endswith("\n")
    shown = terminal.getvalue().split("\r\x1b[K")
    assert shown[1].startswith("[==========          ] evaluated fit: epoch 3/20")
    assert shown[2].startswith("[====================] ")


def test_a_log_file_gets_one_line_for_each_epoch() -> None:
    log = io.StringIO()
    for news in (RUNNING, EPOCH, FIT):
        ProgressBar(log)(news)
    assert log.getvalue() == f"{told(EPOCH)}\n"


def test_it_writes_to_stderr_and_never_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    ProgressBar()(EPOCH)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"{told(EPOCH)}\n")


def test_where_nothing_may_be_drawn_each_epoch_is_said_even_on_a_terminal() -> None:
    terminal, said = Terminal(), list[str]()
    for news in (RUNNING, EPOCH, FIT):
        ProgressBar(terminal, say=said.append)(news)
    assert said == [told(EPOCH)]
    assert terminal.getvalue() == ""


def test_speed_and_time_left_come_from_the_time_spent_training(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("recsys_spark.training.epochs.time.monotonic", lambda: now[0])
    heard: list[FitNews] = []
    clock = EpochClock("evaluated", epochs=3, rows=1000, batch_size=300, loss="mse", scale=1.0, watcher=heard.append)
    for second, event in enumerate(
        (
            lambda: clock.epoch_begins(0),
            lambda: clock.batch_ends(1, {"mse": 0.9}),  # 600 rows in a second
            lambda: clock.batch_ends(3, {"mse": 0.8}),  # the last batch is shorter: 1000 rows in 2 seconds
            lambda: clock.epoch_ends(0, {"mse": 0.8, "val_mse": 0.85}),  # validation took a second
            clock.fit_ends,
        )
    ):
        now[0] = float(second)
        event()
    assert [(n.what, n.rows, n.rows_per_second, n.seconds_left) for n in heard] == [
        ("running", 600, 600.0, pytest.approx(4.0)),
        ("running", 1000, 500.0, pytest.approx(4.0)),
        ("epoch", 1000, 500.0, pytest.approx(4.0)),
        ("fit", 1000, 500.0, 0.0),
    ]
    assert [tuple(result) for result in clock.history] == [("evaluated", 1, 0.8, 0.85, 500.0, 0.85, None, None, None)]


def test_news_come_a_few_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("recsys_spark.training.epochs.time.monotonic", lambda: now[0])
    heard: list[FitNews] = []
    clock = EpochClock("evaluated", epochs=1, rows=1000, batch_size=1, loss="mse", scale=1.0, watcher=heard.append)
    clock.epoch_begins(0)
    for batch in range(1000):
        now[0] = batch / 1000
        clock.batch_ends(batch, {"mse": 0.5})
    assert 3 <= len(heard) <= 5


def test_nobody_may_watch(capsys: pytest.CaptureFixture[str]) -> None:
    nobody(EPOCH)
    assert capsys.readouterr() == ("", "")
