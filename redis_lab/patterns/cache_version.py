"""The version of a cache's namespace: one key that makes all its values void when it changes."""

import secrets
import time
from typing import Any

from redis_lab.patterns.cache_value import Token
from redis_lab.patterns.keys import text
from redis_lab.patterns.scripting import Client, script

_KEPT = 1.0  # seconds for which a process may go on with the version it knows, on a Cluster


class Version:
    """The version of a namespace, a token in one key: values of another one are void.

    On a single server it is read with each value, in the same trip. On a Cluster the two live in
    different slots: there `kept()` is at most 1 s old.
    options: of the read, which say whether a token is str or bytes.
    """

    def __init__(self, client: Client, key: str, options: dict[str, Any]):
        self.client, self.key, self.options = client, key, options
        self._era = object()  # an answer that was asked for in an earlier one may be old
        self._kept: tuple[Token | None, float, object] = (None, 0.0, self._era)

    def forget(self) -> None:
        """A new token is known to be there: ask for it the next time."""
        self._era = object()

    def kept(self) -> Token | None:
        """The token as it was at most 1 s ago; None where there is none."""
        token, until, era = self._kept
        return token if era is self._era and time.monotonic() < until else self.fresh()

    def fresh(self) -> Token | None:
        """The token of now; None where there is none: nothing was ever cached, or it was lost."""
        asked, era = time.monotonic(), self._era
        token: Token | None = self.client.execute_command("GET", self.key, **self.options)
        self._kept = (token, asked + _KEPT if token else 0.0, era)
        return token

    def ensured(self) -> Token:
        """The token of now, made where there is none."""
        return self._ask("keep")

    def renew(self) -> None:
        """A new token: all values become void."""
        self._ask("renew")
        self.forget()

    def _ask(self, mode: str) -> Token:
        asked, era = time.monotonic(), self._era
        reply = script("cache_version")(self.client, [self.key], [secrets.token_hex(8), mode])
        token = text(reply).encode() if self.options else text(reply)
        self._kept = (token, asked + _KEPT, era)
        return token
