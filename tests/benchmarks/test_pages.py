"""The pages say what the figures say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from docs import make_performance, make_ranking, make_scale

COST = make_scale.Cost(a=0.5, b=2e-6, c=1e-9, d=3e-6)
SIZES = ((1_000, 1_000, 10), (50_000, 1_000, 10), (1_000, 50_000, 10), (50_000, 50_000, 10), (50_000, 50_000, 50))


def figures(job_seconds: float) -> dict[str, dict[str, Any]]:
    """What benchmarks might have found on a machine where jobs cost just that."""
    runs = [{"users": u, "items": i, "n": n, "warm": COST.seconds(u, i, n, cores=2)} for u, i, n in SIZES]
    points = {"k": (8, 16, 32, 64, 128, 256), "hidden": (64, 128, 256, 512, 1024, 2048)}
    ns = {
        axis: [{"at": x, "users": 1_000, "items": 1_000, "seconds": x * 1e-6} for x in xs]
        for axis, xs in points.items()
    }
    items = [{"at": 1_000, "users": 1_000, "items": 1_000, "seconds": 1.0, "set_up": 0.01}]
    return {
        "job_sizes": {"machine": "a machine", "cores": 2, "k": 64, "runs": runs},
        "growth": {
            "axes": {
                "k": {"dot": ns["k"]},
                "hidden": {"one layer": ns["hidden"]},
                "items": {"one layer": items, "dot": items},
            }
        },
        "kernels": {"cases": {"layers 1024, trained": {"ours": 1e9}}},
        "roofline": {"bandwidth": 1e10},
        "scoring_job": {
            "ours": {"warm": job_seconds},
            "Spark ALS, nothing left out": {"warm": 10 * job_seconds},
            "pairs": 10**9,
            "users": 100_000,
            "items": 10_000,
            "k": 64,
            "n": 10,
            "cores": 2,
        },
    }


def test_the_fit_finds_the_cost_that_the_figures_were_made_with() -> None:
    found = make_scale.fitted(figures(1)["job_sizes"]["runs"], cores=2)
    assert [found.a, found.b, found.c, found.d] == pytest.approx([COST.a, COST.b, COST.c, COST.d], rel=1e-6)


def test_no_cost_is_below_zero() -> None:
    runs = [{"users": 1_000 * n, "items": 1_000, "n": 10, "warm": 2.0 - n / 10} for n in range(1, 6)]
    found = make_scale.fitted(runs, cores=2)
    assert min(found.a, found.b, found.c, found.d) == 0


def test_the_page_of_scale_tells_how_wrong_its_prediction_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 0.5 s + 100,000 users x (2 us + 10,000 items x 1 ns + 10 rows x 3 us) / 2 cores = 2.6 s
    for name, found in figures(job_seconds=1.3).items():
        (tmp_path / f"{name}.json").write_text(json.dumps(found))
    monkeypatch.setattr(make_scale, "HERE", tmp_path)
    make_scale.main()
    page = (tmp_path / "scale.md").read_text()
    assert "| dot 64, seen items left out | 2.60 | 1.30 | 2.00 |" in page
    assert "The prediction for dot products is 100% too high." in page


def test_the_page_of_scale_is_not_written_from_half_of_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make_scale, "HERE", tmp_path)
    make_scale.main()
    assert not (tmp_path / "scale.md").exists()
    assert "NOT WRITTEN: docs/scale.md: not measured: job_sizes" in capsys.readouterr().err


def test_the_page_of_speed_says_where_others_are_faster() -> None:
    def line(*seconds: float) -> list[dict[str, float]]:
        return [{"at": at, "users": 1, "items": 1, "seconds": s} for at, s in zip((1, 10, 1000), seconds, strict=True)]

    axes = {"n": {"dot": line(1, 1, 9), "dot, plain": line(2, 2, 2), "implicit": line(3, 0.5, 3)}}
    told = make_performance.overtaken({"axes": axes}, "n", "entries")
    assert told == (
        "Faster than our screening of dot products are our plain kernel with 1,000 entries and implicit with 10, 1,000 "
        "entries."
    )


def test_without_matplotlib_the_pictures_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "docs.pictures", raising=False)
    make_performance.draw({})
    assert "NOT DRAWN" in capsys.readouterr().err


def test_pictures_have_the_same_bytes_for_the_same_figures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `bench`")
    from docs import pictures

    found: dict[str, dict[str, Any]] = {"growth": {}, "roofline": {}, "sizes": {}}
    found["kernels"] = {"cases": {"dot 64": {"ours": 2e9, "implicit": 1e9}}}
    for folder in ("one", "two"):
        pictures.draw(tmp_path / folder, found)
    first, second = ((tmp_path / folder / "ratios.svg").read_bytes() for folder in ("one", "two"))
    assert first == second
    assert b"times as long as ours" in first


def test_the_page_of_ranking_shows_what_was_measured_and_nothing_else() -> None:
    method = {"ndcg@10": 0.31234, "seeds": [0.31, 0.32], "settings": {"model.l2": 0.0123456}, "seconds": 2.0}
    test = {"gain": 0.01, "low": 0.005, "high": 0.015, "p": 1e-9}
    figures = {
        "tuned": {"als": {"trials": 7, "settings": {"factors": 8}}, "ials_16": {"trials": 3, "settings": {}}},
        "peers": {
            "methods": {"ials": method, "als": method | {"ndcg@10": 0.30}},
            "paired": {"als": test},
            "best": "ials",
        },
        "seconds": {
            "als": {"seconds": 2.0, "ndcg@10": 0.3},
            "ials": {"epochs": 5, "seconds": 9.0, "ndcg@10": 0.31},
            "turns": 3,
        },
    }
    told = make_ranking.page(figures)
    assert "the same number of trials for each method: 7. NDCG@10" in told
    assert "| implicit ALS | 0.3000 | 0.3100, 0.3200 | +0.0100 [+0.0050, +0.0150], 1.0e-09 |" in told
    assert "| **`ials`** | 0.3123 |" in told
    assert "l2 0.01235" in told
    assert "| `ials` | 5 | 9.0 | 0.3100 | 4.5 |" in told
    assert "## Folding in" not in told
    assert "## Width" not in told
