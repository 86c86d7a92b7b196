"""What must never be shown: references to secrets, and the passwords that people write into URIs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from recsys_spark.errors import ConfigError

MASK = "***"
"""Stands where something is not shown."""


class Secret:
    """A reference to a secret: `env:NAME` or `file:PATH`. Its text never holds the secret itself."""

    def __init__(self, reference: str) -> None:
        kind, _, place = reference.partition(":")
        if kind not in ("env", "file") or not place:
            raise PydanticCustomError("secret_literal", "a reference, env:NAME or file:PATH")
        self.kind, self.place = kind, place

    def reveal(self) -> str:
        """The secret itself.

        Raises:
            ConfigError: the variable is not set, or the file cannot be read as text.
        """
        if self.kind == "env":
            if self.place not in os.environ:
                raise ConfigError(str(self), expected="an environment variable that is set", found="none of that name")
            return os.environ[self.place]
        try:
            return Path(self.place).read_text(encoding="utf-8").rstrip("\n")
        except OSError as error:
            raise ConfigError(str(self), expected="a file that can be read", found=str(error.strerror)) from error
        except UnicodeDecodeError:
            # the error itself holds the file's bytes
            raise ConfigError(str(self), expected="text in UTF-8", found="other bytes (not shown)") from None

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        as_text = core_schema.plain_serializer_function_ser_schema(str)
        return core_schema.no_info_plain_validator_function(cls._of, serialization=as_text)

    @classmethod
    def _of(cls, value: object) -> Secret:
        # every other message of a validator would quote the value
        return value if isinstance(value, Secret) else cls(value if isinstance(value, str) else "")


SPARK_REDACTION = r"(?i)secret|passw(or)?d|passphrase|token|(access|account|private)[._-]?key|[.]sas[.]"
"""What Spark is not to show of its own and Hadoop's properties; its default forgets the keys of Azure's accounts."""

_SECRETIVE = r"pass(word|wd|phrase)?|pwd|secret|token|sig|signature|(access|account)[-_.]?key|credentials?"

_KEY = re.compile(rf"({_SECRETIVE})$", re.IGNORECASE)

_IN_QUERY = re.compile(rf"(?<=[?&;])([\w.-]*({_SECRETIVE}))=[^&;\s]+", re.IGNORECASE)

# up to the last @, since keys may hold slashes; a name alone (hdfs://me@host, abfss://container@account) is no secret
_IN_USER_INFO = re.compile(r"(?<=://)([^\s/:@]*):(?![0-9]*(/|$))[^\s]*@")


def redacted(text: str) -> str:
    """The text with the passwords of the URIs in it masked."""
    return _IN_QUERY.sub(rf"\1={MASK}", _IN_USER_INFO.sub(f"{MASK}@", text))


def masked(value: Any) -> Any:
    """A plain value as it may be shown: what stands under a key such as `password` is masked, and so are URIs."""
    if isinstance(value, dict):
        return {k: MASK if isinstance(k, str) and _KEY.search(k) else masked(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(masked(v) for v in value)
    return redacted(value) if isinstance(value, str) else value


def _without_password(location: str) -> str:
    if redacted(location) != location:
        raise PydanticCustomError("password_in_uri", "a path or URI without a password in it")
    return location


Location = Annotated[str, AfterValidator(_without_password)]
"""A path or URI. It is shown in plans, logs and tables, so that it may hold no password."""
