"""Every run has rows for every epoch, of one fit."""

from __future__ import annotations

from typing import Any

from recsys_spark.evaluation.epochs import epoch_metrics


def result(fit: str, epoch: int, **figures: float | None) -> dict[str, Any]:
    return {"fit": fit, "epoch": epoch, "loss": 1.0 / epoch, "val_loss": None, "rows_per_second": 9.0, **figures}


def keys(history: list[dict[str, Any]]) -> dict[tuple[str, str, int | None], float]:
    metrics = epoch_metrics(history)
    assert all(m.scorer == "main" and m.segment is None for m in metrics)
    return {(m.split, m.metric, m.epoch): m.value for m in metrics}


def test_the_fit_that_chose_the_epochs_tells_its_course() -> None:
    validated = [
        result("validated", e, val_loss=e, val_mse=e + 0.1, val_mae=e + 0.2, learning_rate=0.5) for e in (1, 2)
    ]

    found = keys([*validated, result("evaluated", 1, loss=70.0), result("published", 1, loss=80.0)])

    assert found == {
        ("train", "loss", 1): 1.0,
        ("train", "loss", 2): 0.5,
        ("train", "learning_rate", 1): 0.5,
        ("train", "learning_rate", 2): 0.5,
        **{("validation", "loss", e): float(e) for e in (1, 2)},
        **{("validation", "mse", e): e + 0.1 for e in (1, 2)},
        **{("validation", "mae", e): e + 0.2 for e in (1, 2)},
    }


def test_without_it_the_evaluated_fit_does() -> None:
    found = keys([result("evaluated", 1), result("evaluated", 2), result("published", 1, loss=80.0)])

    assert found == {("train", "loss", 1): 1.0, ("train", "loss", 2): 0.5}


def test_figures_of_an_older_record_may_be_missing() -> None:
    assert keys([{"fit": "validated", "epoch": 1, "loss": 3.0, "val_loss": 4.0}]) == {
        ("train", "loss", 1): 3.0,
        ("validation", "loss", 1): 4.0,
    }
