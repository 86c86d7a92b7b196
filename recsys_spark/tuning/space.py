"""The search space: from `tune.space` to draws, and from a draw to the settings of a trial.

A choice may be anything that its setting takes, a list or null too, so draws hold choices as JSON text: Optuna
compares choices by `==`, to which 1, 1.0 and true are the same, and keeps nothing but plain values.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from recsys_spark.config import Tree, as_tree, merged, valid_keys
from recsys_spark.errors import ConfigError, ConfigErrors
from recsys_spark.settings import Settings
from recsys_spark.tuning.settings import Choices, Range

if TYPE_CHECKING:
    import optuna

MODEL_NAME = "model.name"
SECTIONS = ("model.", "training.")
"""What may be searched lies in these sections."""

Draw = Mapping[str, str | int | float]
"""Dotted keys with what Optuna drew: a number of a range, or a choice as JSON text."""


class Numbers(NamedTuple):
    """A range in the type of its setting."""

    low: int | float
    high: int | float
    log: bool
    step: int | float | None


@dataclass(frozen=True)
class Space:
    """A sound search space.

    Args:
        base: the settings that a trial changes.
        entries: what each key may become, `model.name` first: choices as JSON texts, or numbers.
    """

    base: Settings
    entries: Mapping[str, tuple[str, ...] | Numbers]

    @classmethod
    def of(cls, base: Settings) -> Space:
        """The space that some settings ask for, with all its values as their settings take them.

        Raises:
            ConfigError: nothing to search, a key that does not exist or may not be searched, or a choice or a bound
                that its setting refuses (`ConfigErrors` for several).
        """
        if not base.tune.space:
            example = "tune.space={model.embedding_size: [8, 16, 32]}"
            raise ConfigError(
                "tune.space", expected="at least one setting", found="none", hint=f"such as --set '{example}'"
            )
        entries: dict[str, tuple[str, ...] | Numbers] = {}
        problems: list[ConfigError] = []
        for key in sorted(base.tune.space, key=lambda key: (key != MODEL_NAME, key)):
            try:
                entries[key] = _entry(base, key)
            except ConfigError as error:
                problems.append(error)
        ConfigErrors.raise_if_any(problems)
        return cls(base, entries)

    @property
    def most_epochs(self) -> int:
        """The epochs of the longest trial."""
        match self.entries.get("training.epochs"):
            case None:
                return self.base.training.epochs
            case Numbers(high=high):
                return int(high)
            case texts:
                return max(int(json.loads(text)) for text in texts)

    def draw(self, trial: optuna.Trial) -> Draw:
        """One point of the space, as the trial's sampler suggests it; keys that its model lacks are left out."""
        drawn: dict[str, str | int | float] = {}
        keys: frozenset[str] | None = None
        for key, entry in self.entries.items():
            if keys is None and key != MODEL_NAME:
                keys = frozenset(valid_keys(Settings, self._tree(drawn)))
            if keys is None or key in keys:
                drawn[key] = _suggested(trial, key, entry)
        return drawn

    def settings(self, draw: Draw) -> Settings:
        """The settings of a trial.

        Raises:
            ConfigError: the values are refused together, though not each by itself.
        """
        try:
            return Settings.model_validate(self._tree(draw))
        except ValidationError as error:
            expected = "; ".join(detail["msg"] for detail in error.errors(include_url=False))
            raise ConfigError("settings of a trial", expected=expected, found=shown(draw)) from None

    def _tree(self, draw: Draw) -> Tree:
        return merged(as_tree(self.base), overrides(draw))


def overrides(draw: Draw) -> Tree:
    """A draw as nested settings.

    Example:
        >>> overrides({"model.layers": "[64, 32]", "model.dropout": 0.1})
        {'model': {'layers': [64, 32], 'dropout': 0.1}}
    """
    trees = (_nested(key, json.loads(v) if isinstance(v, str) else v) for key, v in draw.items())
    return reduce(merged, trees, {})


def as_texts(draw: Draw) -> dict[str, str]:
    """A draw with every value as JSON text."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in draw.items()}


def shown(draw: Draw) -> str:
    """A draw in one line for people."""
    return ", ".join(f"{key} {f'{v:.4g}' if isinstance(v, float) else v}" for key, v in draw.items()) or "nothing drawn"


def _suggested(trial: optuna.Trial, key: str, entry: tuple[str, ...] | Numbers) -> str | int | float:
    if not isinstance(entry, Numbers):
        return trial.suggest_categorical(key, entry)
    low, high, log, step = entry
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(key, low, high, log=log, step=int(step or 1))
    return trial.suggest_float(key, low, high, log=log, step=step)


def _entry(base: Settings, key: str) -> tuple[str, ...] | Numbers:
    """What one key may become, each value as the setting holds it after every model that has the key has taken it."""
    searched = base.tune.space[key]
    # what is refused beside the other settings of the base may fit together with others that are drawn
    alone = len(base.tune.space) == 1 + (MODEL_NAME in base.tune.space and key != MODEL_NAME)
    taken = partial(_taken, list(_owners(base, key)), key, alone=alone)
    if isinstance(searched, Range):
        return _numbers(taken, key, searched)
    texts = tuple(json.dumps(taken(choice)) for choice in searched)
    if len(set(texts)) < len(texts):
        raise _problem(key, expected="choices that differ", found=_listed(searched))
    return texts


def _numbers(taken: Callable[[Any], Any], key: str, searched: Range) -> Numbers:
    low, high = (taken(bound) for bound in (searched.low, searched.high))
    if any(isinstance(bound, bool) or not isinstance(bound, int | float) for bound in (low, high)):
        raise _problem(key, expected="a list of choices", found="a range, but the setting is no number")
    step = searched.step
    if isinstance(low, int) and isinstance(high, int) and step is not None:
        if step != int(step):
            raise _problem(key, expected="a whole step, as the setting is a whole number", found=str(step))
        step = int(step)
    return Numbers(low, high, searched.log, step)


def _owners(base: Settings, key: str) -> Iterator[Tree]:
    """The base settings, once for each model that may be drawn and has the key."""
    tree = as_tree(base)
    names = base.tune.space.get(MODEL_NAME, ())
    models = names if isinstance(names, tuple) and names and key != MODEL_NAME else (base.model.name,)
    known: set[str] = set()
    for name in models:
        of_model = merged(tree, _nested(MODEL_NAME, name))
        keys = {k for k in valid_keys(Settings, of_model) if k.startswith(SECTIONS)}
        known |= keys
        if key in keys:
            yield of_model
    if key not in known:
        near = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else "see the settings.py of recsys_spark/models and training"
        raise _problem(key, expected="a setting of the model or of the training", found="none of that name", hint=hint)


def _taken(owners: list[Tree], key: str, value: Any, *, alone: bool) -> Any:
    """The value as the setting holds it after every owner has taken it: `1e-3`, a text in YAML, is a number then.

    Args:
        owners: the base settings, once for each model.
        key: of the setting.
        value: a choice or a bound.
        alone: whether nothing else is drawn with it; if not, errors about other settings are left to the trials.

    Raises:
        ConfigError: an owner refuses it.
    """
    for owner in owners:
        try:
            settings = Settings.model_validate(merged(owner, _nested(key, value)))
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                if alone or _is_about(key, detail["loc"], detail["type"]):
                    found = json.dumps(value, default=str)
                    raise _problem(key, expected=_expectation(detail), found=found) from None
        else:
            value = reduce(lambda tree, name: tree[name], key.split("."), as_tree(settings))
    return value


def _is_about(key: str, loc: tuple[int | str, ...], kind: str) -> bool:
    """Whether an error lies at the key or inside its value; pydantic's place also names the member of a union."""
    if key == MODEL_NAME:
        return loc == ("model",) and kind.startswith("union_tag")
    places = iter(loc)
    return all(name in places for name in key.split("."))


def _expectation(detail: ErrorDetails) -> str:
    if "expected_tags" in detail.get("ctx", {}):
        return f"one of {detail['ctx']['expected_tags']}"
    expected = detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{expected} (other values: not yet)" if detail["type"] == "not_yet" else expected


def _nested(key: str, value: Any) -> Tree:
    for name in reversed(key.split(".")):
        value = {name: value}
    tree: Tree = value
    return tree


def _problem(key: str, *, expected: str, found: str, hint: str = "") -> ConfigError:
    return ConfigError(f"tune.space.{key}", expected=expected, found=found, hint=hint)


def _listed(choices: Choices) -> str:
    return json.dumps(choices, default=str)
