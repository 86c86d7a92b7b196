"""Generated ratings have the shape that they claim and a floor that is true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks import generated_ratings
from benchmarks.generated_ratings import Generated, generate


@pytest.fixture(scope="module")
def made() -> Generated:
    return generate(1_000_000)


def test_each_pair_is_rated_once_in_order_of_user_and_item(made: Generated) -> None:
    key = made.user.astype(np.int64) * (made.item.max() + 1) + made.item
    assert len(key) == 1_000_000
    assert (np.diff(key) > 0).all()


def test_activity_and_popularity_have_heavy_tails(made: Generated) -> None:
    of_users, of_items = np.bincount(made.user), np.bincount(made.item)
    assert (len(of_users), len(of_items)) == (6_925, 5_980)
    assert of_users.min() >= 20
    assert 60 < np.median(of_users) < 75
    assert of_users.max() > 2_000, "a third of the items"
    assert of_items.min() == 1
    assert np.median(of_items) < 25
    assert of_items.max() > 0.4 * len(of_users)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_item_of_a_small_set_has_a_rating(seed: int) -> None:
    assert np.bincount(generate(30_000, seed=seed).item, minlength=1_036).min() == 1


def test_ratings_are_signal_and_noise_of_the_variances_told(made: Generated) -> None:
    total = float(np.var(made.rating, dtype=np.float64))
    assert total == pytest.approx(made.noise_variance + made.signal_variance, rel=0.005)
    biases = (generated_ratings.USER_BIAS**2, generated_ratings.ITEM_BIAS**2, generated_ratings.INTERACTION**2)
    assert made.signal_variance == pytest.approx(sum(biases), rel=0.1)


def test_ratings_of_one_user_differ_by_both_items_signal_and_twice_the_noise(made: Generated) -> None:
    same_user = np.diff(made.user) == 0
    differences = np.diff(made.rating)[same_user]
    least = 2 * made.noise_variance
    most = least + 2 * (generated_ratings.ITEM_BIAS**2 + generated_ratings.INTERACTION**2)
    assert least < float(np.var(differences, dtype=np.float64)) < 1.05 * most


def test_share_explained_is_zero_for_the_mean_and_one_at_the_floor(made: Generated) -> None:
    assert made.share_explained(made.noise_variance) == 1
    of_the_mean = float(np.var(made.rating, dtype=np.float64))
    assert made.share_explained(of_the_mean) == pytest.approx(0, abs=0.01)


def test_the_same_seed_gives_the_same_ratings() -> None:
    first, again, other = generate(30_000, seed=1), generate(30_000, seed=1), generate(30_000, seed=2)
    for name in ("user", "item", "rating"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        assert (getattr(first, name) != getattr(other, name)).any()


def test_a_crowd_with_too_few_ratings_is_refused() -> None:
    with pytest.raises(ValueError, match="1,000 ratings are too few or too many for 100 users and 1,000 items"):
        generate(1_000, n_users=100, n_items=1_000)


def test_the_command_writes_a_file_and_tells_the_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ratings.parquet"
    monkeypatch.setattr("sys.argv", ["generated_ratings.py", "--ratings", "30000", "--out", str(file)])
    generated_ratings.main()
    assert '"ratings": 30000' in capsys.readouterr().out
    table = pq.read_table(file)
    assert table.schema.names == ["user_id", "item_id", "rating"]
    np.testing.assert_array_equal(table["rating"].to_numpy(), generate(30_000).rating)
