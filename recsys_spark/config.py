"""Configuration: YAML files, one over the other, then `--set key=value`, checked against typed settings in one go.

The loader knows nothing about recommending. Each folder declares a frozen `Section` beside the component it sets;
`recsys_spark.settings` composes them. Whatever is wrong is reported at once, each problem with its key, its value, what
was expected and the nearest valid key. Secrets are given by reference (`env:NAME`, `file:PATH`) and never printed.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from recsys_spark.errors import ConfigError, ConfigErrors
from recsys_spark.secret import Secret, masked

Tree = dict[str, Any]
S = TypeVar("S", bound="Section")


class Section(BaseModel):
    """Base of all settings: frozen, nothing unknown accepted, a docstring under each field."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


def load(root: type[S], files: Sequence[Path], overrides: Sequence[str] = ()) -> S:
    """The settings of some files, each over the one before, with `key=value` overrides over all of them.

    Args:
        root: the settings class at the top.
        files: YAML files; later ones win.
        overrides: `a.b=value`; the value is read as YAML.

    Returns:
        The settings, validated.

    Raises:
        ConfigError: one or more problems (`ConfigErrors` holds all of them).

    Example:
        >>> load(Settings, [Path("conf/base.yaml")], ["split.seed=7"]).split.seed
        7
    """
    problems: list[ConfigError] = []
    tree: Tree = {}
    for file in files:
        try:
            for part in with_extended(file):
                tree = merged(tree, part)
        except ConfigError as error:
            problems.append(error)
    for override in overrides:
        try:
            tree = merged(tree, parse_override(override))
        except ConfigError as error:
            problems.append(error)
    try:
        settings = root.model_validate(tree)
    except ValidationError as error:
        problems += [_problem(root, tree, detail) for detail in _telling(error.errors(include_url=False))]
        raise ConfigErrors(problems) if len(problems) > 1 else problems[0] from None
    ConfigErrors.raise_if_any(problems)
    return settings


def read_yaml(file: Path) -> Tree:
    """The mapping that a YAML file holds; an empty file is an empty mapping."""
    expected = "a YAML file of sections and keys"
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "--config takes the path of a file; presets lie in conf/"
        raise ConfigError(str(file), expected=expected, found=str(error.strerror).lower(), hint=hint) from error
    except yaml.MarkedYAMLError as error:
        raise ConfigError(str(file), expected=expected, found=_told(error)) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(str(file), expected=expected, found=" ".join(str(error).split())) from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(str(file), expected=expected, found=f"a {type(tree).__name__}")
    return tree


def _told(error: yaml.MarkedYAMLError) -> str:
    """What is wrong and where, without the text that stands there: it may be a secret."""
    what = re.sub(r"'[^']{2,}'", "something", error.problem or "something else")
    mark = error.problem_mark or error.context_mark
    return what if mark is None else f"{what} in line {mark.line + 1}, column {mark.column + 1}"


def with_extended(file: Path, *, below: tuple[Path, ...] = ()) -> list[Tree]:
    """The mapping of a YAML file, after those that it `extends` (a path relative to its own folder), the lowest first.

    Args:
        file: with or without the key `extends`.
        below: the files that have led here.

    Raises:
        ConfigError: a file cannot be read, or extends itself.
    """
    tree = read_yaml(file)
    extended = tree.pop("extends", None)
    if extended is None:
        return [tree]
    place = (file.parent / str(extended)).resolve()
    if place in (file.resolve(), *below):
        raise ConfigError(f"{file}: extends", expected="another file", found=f"'{extended}', which leads back here")
    return [*with_extended(place, below=(*below, file.resolve())), tree]


def parse_override(text: str) -> Tree:
    """`a.b=value` as a nested mapping."""
    key, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", key.strip()):
        # only a key is shown: what stands behind it, or without one, may be a secret
        found = f"'{key}'" if equals else "no '=' (the rest is not shown)"
        raise ConfigError("--set", expected="key=value, such as split.seed=7", found=found)
    node = _value(value)
    for name in reversed(key.strip().split(".")):
        node = {name: node}
    return typing.cast(Tree, node)


def _value(text: str) -> Any:
    """Text as YAML; what is none, or to YAML is nothing or a block (the separators `,` `|` `::`), stands for itself."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if isinstance(value, dict | list) and not text.strip().startswith(("{", "[")):
        return text
    nothing = value in (None, "") and text.strip() not in ("", "~", "null", "Null", "NULL", "''", '""')
    return text if nothing else value


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """Two trees as one; `over` wins. A section whose `name` changes starts afresh: its settings belong to another."""
    tree = dict(under)
    for key, value in over.items():
        old = tree.get(key)
        renamed = (
            isinstance(old, dict) and isinstance(value, dict) and value.get("name", old.get("name")) != old.get("name")
        )
        tree[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) and not renamed else value
    return tree


def as_tree(settings: Section) -> Tree:
    """The resolved settings as plain values; secrets stay references."""
    return settings.model_dump(mode="json")


def digest(settings: Section, *, leave_out: Sequence[str] = ()) -> str:
    """A hash of the resolved settings (sha256, 16 hex digits), without the sections and the dotted keys named."""
    tree = as_tree(settings)
    for key in leave_out:
        *sections, name = key.split(".")
        inside = tree
        for section in sections:
            inside = inside[section]
        inside.pop(name)
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:16]


def secrets(settings: Section) -> Iterator[tuple[str, Secret]]:
    """Every secret of the settings with its key."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Secret):
            yield name, value
        elif isinstance(value, Section):
            yield from ((f"{name}.{key}", secret) for key, secret in secrets(value))


def valid_keys(section: type[Section], tree: Mapping[str, Any]) -> Iterator[str]:
    """Every key that may be set, dotted; where settings depend on a `name`, those of the name in `tree`."""
    for name, field in section.model_fields.items():
        yield name
        inner = tree.get(name)
        chosen = inner.get("name") if isinstance(inner, Mapping) else None
        sections = list(_sections_in(field.annotation))
        named = [s for s in sections if "name" in s.model_fields and s.model_fields["name"].default == chosen]
        for nested in named or sections[:1]:
            yield from (f"{name}.{key}" for key in valid_keys(nested, inner if isinstance(inner, Mapping) else {}))


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    elif typing.get_origin(annotation) in (typing.Union, types.UnionType, Annotated):
        for argument in typing.get_args(annotation):
            yield from _sections_in(argument)


def _telling(details: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """One detail for each place: a union reports each of its members, here joined by "or"."""
    by_place: dict[tuple[int | str, ...], ErrorDetails] = {}
    for detail in details:
        place = tuple(part for part in detail["loc"] if not _is_type_name(part))
        if place in by_place:
            by_place[place]["msg"] += " or " + _expectation(detail["msg"])
        else:
            by_place[place] = detail
    yield from by_place.values()


def _expectation(message: str) -> str:
    return re.sub(r"^(Input|Value) should be |^Value error, ", "", message)


def _is_type_name(part: int | str) -> bool:
    return isinstance(part, str) and (part in ("str", "int", "float", "bool") or "[" in part or "-" in part)


def _problem(root: type[Section], tree: Tree, detail: ErrorDetails) -> ConfigError:
    key, value = _place(tree, detail["loc"])
    keys = list(valid_keys(root, tree))
    match detail["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(key, keys, n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else "docs/architecture.md lists the sections"
            return ConfigError(key, expected="a key that exists", found="one that does not", hint=hint)
        case "missing":
            return ConfigError(key, expected="a value", found="none", hint=f"give it with --set {key}=...")
        case "secret_literal":
            hint = "put the secret into an environment variable or a file and name that here"
            return ConfigError(key, expected=detail["msg"], found="a literal value (not shown)", hint=hint)
        case "password_in_uri":
            hint = "where Spark looks for credentials: docs/secrets.md"
            return ConfigError(key, expected=detail["msg"], found="one with a password (not shown)", hint=hint)
        case "union_tag_invalid":
            expected = "one of " + str(detail.get("ctx", {}).get("expected_tags", ""))
            return ConfigError(f"{key}.name", expected=expected, found=_shown(value.get("name")))
        case _:
            # what does not fit together is told by what was expected; the whole tree would tell nothing
            found = _shown(value) if detail["loc"] else "something else"
            return ConfigError(key, expected=_expectation(detail["msg"]), found=found)


def _place(tree: Any, loc: Sequence[int | str]) -> tuple[str, Any]:
    """The dotted key and the value of a pydantic location, without the names of union members in it."""
    names: list[str] = []
    for position, part in enumerate(loc):
        inside = isinstance(tree, dict) and part in tree
        inside = inside or (isinstance(tree, list) and isinstance(part, int) and part < len(tree))
        if inside:
            tree = tree[part]
        elif position < len(loc) - 1 or _is_type_name(part) or not isinstance(tree, dict):
            continue
        names.append(str(part))
    return ".".join(names) or "configuration", tree


def _shown(value: Any) -> str:
    value = masked(value)
    text = repr(value) if not isinstance(value, bool) and value is not None else json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
