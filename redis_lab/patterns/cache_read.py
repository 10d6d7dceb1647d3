"""Reading from a cache: the value and the version, in one trip on a single server."""

import re
from functools import partial
from typing import Any

from redis.client import NEVER_DECODE
from redis.cluster import RedisCluster

from redis_lab.patterns.cache_flight import Here
from redis_lab.patterns.cache_load import FAILURES
from redis_lab.patterns.cache_value import JSON, Found, Serializer, Token
from redis_lab.patterns.cache_version import Version
from redis_lab.patterns.keys import escaped, text
from redis_lab.patterns.scripting import Client

_TOKEN = re.compile(r"\d+-[0-9a-f]+")
_found: Any = partial(tuple.__new__, Found)  # Found(*fields) in a third of the time
_REMEMBERED = 4096  # keys that are not made again


class ValueKeys(dict[str, str]):
    """The Redis keys of values, by key; those in use are made once."""

    def __init__(self, prefix: str):
        self._prefix = prefix

    def __missing__(self, key: str) -> str:
        if len(self) >= _REMEMBERED:
            self.clear()
        name = self[key] = f"{self._prefix}{{{escaped(key, 'key')}}}"
        return name


class Reader:
    """Reads values. JSON is read as the client gives it, every other format as bytes."""

    def __init__(
        self, client: Client, prefix: str, version_key: str, serializer: Serializer, here: Here
    ):
        encoder = client.get_encoder()
        as_text = serializer is JSON and encoder.decode_responses and encoder.encoding == "utf-8"
        self._options: dict[str, Any] = {} if as_text else {NEVER_DECODE: True}
        self._space: Any = " " if as_text else b" "
        self.version = Version(client, version_key, self._options)
        self._client, self._version_key = client, version_key
        self._clustered = isinstance(client, RedisCluster)
        self._keys, self._loads, self._here = ValueKeys(prefix), serializer.loads, here

    def read(self, key: str) -> tuple[Found | None, Token | None, bool]:
        """The value, the version, and whether there are bytes that are no value."""
        try:
            name = self._keys[key]
        except TypeError:
            raise TypeError(f"key must be a str, not {type(key).__name__}") from None
        ask, version_key = self._client.execute_command, self._version_key
        try:
            if self._clustered:
                raw, version = self._two_trips(name)
            else:
                raw, version = ask("MGET", name, version_key, **self._options)
            if raw is None or version is None:
                return None, version, False
            token, expires, cost, payload = raw.split(self._space, 3)
            if token == version:
                return _found((self._loads(payload), int(expires), int(cost))), version, False
            if _TOKEN.fullmatch(text(token)):
                return None, version, False
        except FAILURES:
            raise
        except Exception:  # of the client's decoder or the serializer: these bytes are not ours
            version = self.version.fresh()
        self._here.count("errors")
        return None, version, True

    def _two_trips(self, name: str) -> tuple[Any, Any]:
        """On a Cluster; the second one once a second."""
        raw = self._client.execute_command("GET", name, **self._options)
        version = self.version.kept()
        if raw and version and not raw.startswith(version):
            version = self.version.fresh()
        return raw, version
