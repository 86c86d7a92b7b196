"""What it means, in words, when a database or its driver refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from recsys_spark.database.address import Address
from recsys_spark.errors import ConfigError, DataError
from recsys_spark.secret import MASK, redacted


class Meaning(NamedTuple):
    """What a failure comes down to."""

    key: str
    """Of the settings' section, at fault."""

    expected: str
    hint: str
    of_settings: bool
    """Whether the settings are wrong, and not the database or the way to it."""


_DIED = Meaning("url", "a database that answers to the end", "nothing was published; start again once it is up", False)

_MEANINGS: Mapping[str, Meaning] = {
    r"ClassNotFoundException|Did not find driver|No suitable driver": Meaning(
        "url",
        "the driver of {name} on Spark's class path",
        "spark-submit.sh fetches it; without it: --packages {jar}:VERSION",
        True,
    ),
    r"password authentication failed|Access denied for user .*using password|no password was provided|"
    r"SCRAM-based authentication": Meaning(
        "password", "a user and a password that the database accepts", "check user, and what password refers to", True
    ),
    r"no pg_hba.conf entry|Host '.*' is not allowed": Meaning(
        "url", "a database that lets this machine in", "its administrators decide who may come from where", True
    ),
    r"PKIX|ssl not enabled|SSL error|SSLHandshake|certificate|does not support SSL|SSL off|insecure transport|"
    r"hostnameverifier|TLS": Meaning(
        "jdbc.tls", "a TLS connection that both sides agree to", "see jdbc.tls and jdbc.ca_file", True
    ),
    r"Access denied for user .* to database": Meaning(
        "url", "a database that is there and open to the user", "it is the part of the URL after the last slash", True
    ),
    r"permission denied|command denied|Access denied for user": Meaning(
        "user", "a user who may do that", "GRANT it to the user, or ask as another", True
    ),
    r"due to lock timeout|Lock wait timeout": Meaning(
        "lock_seconds", "readers who let go of the tables within lock_seconds", "end transactions that are idle", False
    ),
    r"other objects depend on it": Meaning(
        "top_n", "served tables that no view depends on", "let views read a copy, or applications the table", True
    ),
    r"database \"[^\"]*\" does not exist|Unknown database": Meaning(
        "url", "a database of that name", "it is the part of the URL after the last slash", True
    ),
    r"relation \"[^\"]*\" does not exist|Table '[^']*' doesn't exist": Meaning(
        "table", "a table that is there", "perhaps with its schema before it, as in shop.rating", True
    ),
    r"column \"?[^\" ]+\"? does not exist|Unknown column": Meaning(
        "query", "columns that the table has", "see query, jdbc.partition_column and jdbc.predicates", True
    ),
    r"syntax error|error in your SQL syntax": Meaning(
        "query", "SQL that the database understands", "see table, query and jdbc.predicates", True
    ),
    r"UnknownHost": Meaning("url", "a host that has an address", "check the spelling", True),
    r"Connection refused|connect timed out|Connect timed out|No route to host": Meaning(
        "url", "a database that answers at that address", "is it up, and are host and port right?", False
    ),
    r"Read timed out|SocketTimeout|canceling statement due to .*timeout": Meaning(
        "url", "an answer within jdbc.answer_seconds", "is it overloaded? jdbc.answer_seconds may be longer", False
    ),
    r"Connection reset|I/O error|EOFException|unexpected end of stream|Socket error|has been closed|is closed|"
    r"Connection is|terminating connection|Broken pipe|shutting down|starting up|recovery mode": _DIED,
}


def what_it_means(section: str, address: Address, text: str) -> ConfigError | DataError:
    """The error to raise instead of the driver's.

    Args:
        section: the settings' section, for the message.
        address: the database that was asked.
        text: of the failure.
    """
    found = f"{_reason(address, text)} ({address.shown})"
    for pattern, meaning in _MEANINGS.items():
        if re.search(pattern, text):
            kind = ConfigError if meaning.of_settings else DataError
            dialect = {"name": address.dialect.name, "jar": address.dialect.jar}
            expected, hint = meaning.expected.format(**dialect), meaning.hint.format(**dialect)
            return kind(f"{section}.{meaning.key}", expected=expected, found=found, hint=hint)
    return DataError(f"{section}.url", expected="a database that does what it is asked", found=found)


def _reason(address: Address, text: str) -> str:
    """The innermost cause that says something, without the password."""
    lines = [line.strip() for line in text.splitlines()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    said = [line for line in lines if line and not line.startswith(("An error occurred while calling", "at "))]
    reason = (causes or said or ["no reason given"])[-1 if causes else 0]
    reason = re.sub(r"^(: )?([\w$]+\.)+[\w$]+: ", "", reason)
    if address.password is not None:
        try:
            secret = address.password.reveal()
        except ConfigError:
            secret = ""
        reason = reason.replace(secret, MASK) if secret else reason
    return redacted(reason)[:300].rstrip(".")
