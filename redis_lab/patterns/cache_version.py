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
        self._kept: tuple[Token | None, float] = (None, 0.0)
        self._since = 0.0  # an answer asked for before then may be old

    def forget(self) -> None:
        """A new token is known to be there: ask for it the next time."""
        self._since = time.monotonic()
        self._kept = (None, 0.0)

    def kept(self) -> Token | None:
        """The token as it was at most 1 s ago; None where there is none."""
        token, until = self._kept
        return token if time.monotonic() < until else self.fresh()

    def fresh(self) -> Token | None:
        """The token of now; None where there is none: nothing was ever cached, or it was lost."""
        asked = time.monotonic()
        token = self.client.execute_command("GET", self.key, **self.options)
        return self._keep(token, asked)

    def ensured(self) -> Token:
        """The token of now, made where there is none."""
        return self._ask("keep")

    def renew(self) -> Token:
        """A new token: all values become void."""
        return self._ask("renew")

    def _ask(self, mode: str) -> Token:
        asked = time.monotonic()
        reply = script("cache_version")(self.client, [self.key], [secrets.token_hex(8), mode])
        token = text(reply).encode() if self.options else text(reply)
        self._keep(token, asked)
        return token

    def _keep(self, token: Token | None, asked: float) -> Token | None:
        if asked >= self._since:
            self._since = asked
            self._kept = (token, asked + _KEPT if token else 0.0)
        return token
