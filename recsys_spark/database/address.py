"""Where a database is and who asks: what a connection is made from."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from recsys_spark.database.dialects import Dialect, dialect_of, url_for_spark
from recsys_spark.database.settings import Connecting
from recsys_spark.secret import Secret


@dataclass(frozen=True)
class Address:
    """A database and how it is spoken to; the password itself is not in it."""

    url: str
    user: str | None
    password: Secret | None
    connecting: Connecting

    @property
    def dialect(self) -> Dialect:
        """What is known of databases of its kind."""
        known = dialect_of(self.url)
        assert known is not None, "settings accept no other"
        return known

    @property
    def shown(self) -> str:
        """The URL without its parameters, for messages and tables."""
        return self.url.partition("?")[0]

    @property
    def driver_url(self) -> str:
        """The URL that Spark and the driver are given, with all the driver is told but who asks.

        As properties Spark would give some of it in lower case (where a table is read by predicates), and a driver
        passes over what it does not know: TLS would be off, and a timeout none.
        """
        dialect, connecting = self.dialect, self.connecting
        told = {
            **dialect.always,
            "connectTimeout": str(connecting.connect_seconds * dialect.seconds),
            "socketTimeout": str(connecting.answer_seconds * dialect.seconds),
        }
        if connecting.tls is not None:
            told[dialect.tls_key] = dialect.tls[connecting.tls]
        if connecting.ca_file is not None:
            told[dialect.ca_key] = connecting.ca_file
        url = url_for_spark(self.url)
        own = {pair.partition("=")[0] for pair in url.partition("?")[2].split("&")}
        added = urlencode({key: value for key, value in told.items() if key not in own}, quote_via=quote, safe="/")
        return f"{url}{'&' if '?' in url else '?'}{added}"

    def login(self) -> dict[str, str]:
        """The properties `user` and `password`: for the driver alone, never to be shown.

        Raises:
            ConfigError: the password's variable or file is not there.
        """
        found = {} if self.user is None else {"user": self.user}
        return found if self.password is None else {**found, "password": self.password.reveal()}
