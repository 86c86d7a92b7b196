"""What is wrong with a search of settings, all at once, before anything starts."""

from __future__ import annotations

from collections.abc import Iterator

from recsys_spark.errors import ConfigError, ConfigErrors
from recsys_spark.settings import Settings
from recsys_spark.storage import Folder
from recsys_spark.tuning.space import Space


def check_search(settings: Settings) -> None:
    """Refuse a search that cannot be.

    Raises:
        ConfigError: no space or an unsound one, no validation part, or an output that is not local.
    """
    ConfigErrors.raise_if_any(_problems(settings))


def _problems(settings: Settings) -> Iterator[ConfigError]:
    try:
        Space.of(settings)
    except ConfigErrors as errors:
        yield from errors.problems
    except ConfigError as error:
        yield error
    if not settings.split.validation_fraction:
        hint = "trials are compared by their errors on the validation part"
        yield ConfigError("split.validation_fraction", expected="above 0", found="0", hint=hint)
    if not Folder(settings.output.path).is_local:
        hint = "search with a local output.path, and use the best.yaml found with the other one"
        yield ConfigError("output.path", expected="a local folder", found=settings.output.path, hint=hint)
