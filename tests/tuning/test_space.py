"""What may be searched, what is refused before anything starts, and how a draw becomes the settings of a trial."""

from __future__ import annotations

import json
from typing import Any

import optuna
import pytest

from recsys_spark import config
from recsys_spark.errors import ConfigError, ConfigErrors
from recsys_spark.models.settings import MlpSettings
from recsys_spark.settings import Settings
from recsys_spark.tuning.preview import check_search
from recsys_spark.tuning.space import Draw, Space, as_texts, overrides
from tests.conftest import PROJECT


def settings(space: dict[str, Any], *more: str) -> Settings:
    """The settings of pyspark's sample, with a search space."""
    given = [f"tune.space={json.dumps(space)}", *more]
    return config.load(Settings, [PROJECT / "conf" / "base.yaml"], given)


def draws(space: Space, n: int = 20) -> list[Draw]:
    """Random draws; their trials are never run."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    return [space.draw(study.ask()) for _ in range(n)]


def test_a_draw_takes_each_key_from_its_choices_or_its_range() -> None:
    space = {
        "model.embedding_size": [4, 8],
        "training.early_stopping": [None, 3],
        "training.epochs": {"low": 2, "high": 9},
        "training.momentum": {"low": 0.25, "high": 0.75, "step": 0.25},
        "training.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    }
    built = Space.of(settings(space))
    drawn = draws(built, 60)

    found = [built.settings(draw) for draw in drawn]

    assert {s.model.embedding_size for s in found} == {4, 8}
    assert {s.training.early_stopping for s in found} == {None, 3}
    assert {s.training.epochs for s in found} == set(range(2, 10))
    assert {s.training.momentum for s in found} == {0.25, 0.5, 0.75}
    rates = sorted(s.training.learning_rate for s in found)
    assert 1e-4 <= rates[0] < 1e-3 < rates[30] < 1e-1
    assert built.most_epochs == 9


def test_a_draw_changes_nothing_but_its_keys() -> None:
    base = settings({"model.l2": [0.3, 0.4]})

    found = Space.of(base).settings({"model.l2": "0.3"})

    assert config.as_tree(found) == config.merged(config.as_tree(base), {"model": {"l2": 0.3}})


def test_whole_bounds_of_a_setting_that_is_no_whole_number_give_fractions_too() -> None:
    drawn = draws(Space.of(settings({"model.l2": {"low": 0, "high": 1}})))

    assert all(isinstance(draw["model.l2"], float) for draw in drawn)
    assert len({draw["model.l2"] for draw in drawn}) == len(drawn)


def test_choices_may_be_lists_and_texts() -> None:
    model = "model={name: mlp}"
    space = Space.of(settings({"model.layers": [[8], [16, 4]], "model.activation": ["relu", "tanh"]}, model))

    found = {
        (s.model.layers, s.model.activation)
        for s in map(space.settings, draws(space, 40))
        if isinstance(s.model, MlpSettings)
    }

    assert found == {(layers, activation) for layers in ((8,), (16, 4)) for activation in ("relu", "tanh")}


def test_settings_that_the_model_drawn_does_not_have_are_left_out() -> None:
    keys = {"model.layers": [[8], [4]], "model.biases": [True, False], "model.embedding_size": [2, 3]}
    space = Space.of(settings({**keys, "model.name": ["dot", "mlp"]}))

    by_model = {json.loads(str(draw["model.name"])): set(draw) for draw in draws(space)}

    assert by_model == {
        "dot": {"model.name", "model.biases", "model.embedding_size"},
        "mlp": {"model.name", "model.layers", "model.embedding_size"},
    }
    assert {space.settings(draw).model.name for draw in draws(space)} == {"dot", "mlp"}


def test_another_model_does_not_inherit_the_settings_of_the_first() -> None:
    space = Space.of(settings({"model.name": ["dot", "mlp"]}, "model.l2=0.7"))

    assert space.settings({"model.name": '"mlp"'}).model == MlpSettings()


def test_numbers_that_yaml_reads_as_text_are_those_numbers() -> None:
    built = Space.of(settings({"training.learning_rate": ["1e-3", 0.01]}))

    assert built.entries["training.learning_rate"] == ("0.001", "0.01")


def test_a_draw_reads_as_nested_settings_and_as_texts() -> None:
    draw: Draw = {"model.layers": "[64, 32]", "model.dropout": 0.1, "training.epochs": 3}

    assert overrides(draw) == {"model": {"layers": [64, 32], "dropout": 0.1}, "training": {"epochs": 3}}
    assert as_texts(draw) == {"model.layers": "[64, 32]", "model.dropout": "0.1", "training.epochs": "3"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model.embeding_size", [4], "did you mean 'model.embedding_size'"),
        ("model.layers", [[4]], "model.layers: expected a setting of the model"),  # of mlp, but the model is dot
        ("model.name", ["dot", "transformer"], "tune.space.model.name: expected one of 'dot'"),
        ("source.path", ["a"], "source.path: expected a setting of the model or of the training"),
        ("split.seed", [1, 2], "split.seed: expected a setting of the model or of the training"),
        ("model.embedding_size", [4, 0], "model.embedding_size: expected greater than or equal to 1, found 0"),
        ("model.embedding_size", [4, None], "model.embedding_size: expected a valid integer, found null"),
        ("model.embedding_size", [4, 4.0], "model.embedding_size: expected choices that differ"),
        ("model.embedding_size", [], "model.embedding_size: expected"),
        ("model.embedding_size", 5, "model.embedding_size: expected a list of choices, or low and high"),
        ("model.embedding_size", {"low": 8, "high": 4}, "model.embedding_size: expected low below high"),
        ("model.embedding_size", {"low": 0, "high": 4}, "model.embedding_size: expected greater than or equal to 1"),
        ("model.embedding_size", {"low": 1, "high": 4.5}, "model.embedding_size: expected a valid integer"),
        ("model.embedding_size", {"low": 1, "high": 4, "step": 1.5}, "model.embedding_size: expected a whole step"),
        ("model.l2", {"low": 0, "high": 1, "step": 0.3}, "model.l2: expected a step above 0 that divides high - low"),
        ("model.l2", {"low": 0, "high": 1, "log": True}, "model.l2: expected low above 0 where log is true"),
        ("model.l2", {"low": 0.1, "high": 1, "log": True, "step": 0.1}, "model.l2: expected log or step, not both"),
        ("model.l2", {"low": 0, "hgh": 1}, "model.l2.hgh: expected a key that exists"),
        ("model.biases", {"low": 0, "high": 1}, "model.biases: expected a list of choices, found a range"),
        ("training.target", {"low": 0, "high": 1}, "training.target: expected 'none', 'centred'"),
        ("model.dropout", [0.1, [0.1, 0.2, 0.3]], "model.dropout: expected one dropout, or 2"),
        ("training.objective", ["rating", "ranking"], "training.objective rating for model.name dot"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_by_its_key(key: str, value: Any, message: str) -> None:
    model = ["model={name: mlp}"] if key == "model.dropout" else []

    with pytest.raises(ConfigError) as refused:
        check_search(settings({key: value}, *model))

    assert message in str(refused.value)
    assert refused.value.subject.startswith("tune.space")


def test_a_range_whose_step_divides_it_in_decimals_is_sound() -> None:
    built = Space.of(settings({"training.momentum": {"low": 0.1, "high": 0.7, "step": 0.2}}))

    assert {round(float(draw["training.momentum"]), 6) for draw in draws(built, 40)} == {0.1, 0.3, 0.5, 0.7}


def test_all_that_is_wrong_with_a_search_is_told_at_once() -> None:
    wrong = {"model.embedding_size": [0], "training.epochs": [0]}

    with pytest.raises(ConfigErrors) as refused:
        check_search(settings(wrong, "split.validation_fraction=0", "output.path=s3a://bucket/out"))

    assert [problem.subject for problem in refused.value.problems] == [
        "tune.space.model.embedding_size",
        "tune.space.training.epochs",
        "split.validation_fraction",
        "output.path",
    ]


def test_values_that_go_together_with_others_drawn_are_sound_and_settings_that_do_not_are_refused_as_a_trial() -> None:
    space = {"model.layers": [[8], [8, 4]], "model.dropout": [0.1, [0.1, 0.2, 0.3]]}

    built = Space.of(settings(space, "model={name: mlp}"))

    assert built.settings({"model.layers": "[8, 4]", "model.dropout": "[0.1, 0.2, 0.3]"}).model.name == "mlp"
    with pytest.raises(ConfigError, match=r"settings of a trial: expected .*one dropout, or 2"):
        built.settings({"model.layers": "[8]", "model.dropout": "[0.1, 0.2, 0.3]"})


def test_nothing_to_search_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one setting"):
        check_search(settings({}))


@pytest.mark.parametrize("preset", ["base", "goodbooks", "movielens-100k", "movielens-1m"])
def test_the_search_that_comes_along_is_sound_over_the_preset_of_any_data(preset: str) -> None:
    files = [PROJECT / "conf" / f"{name}.yaml" for name in ("base", preset, "search-dot")]

    check_search(config.load(Settings, files))
