"""SessionStore: who is logged in, for as long as they are active, and never past a greatest age.

All sessions of a user live in one slot with an index of them, so that creating, rotating and
ending are atomic, on a Cluster too. Nothing hides an id: it is a password, for https and for
cookies that scripts can't read. Run it on a server that does not evict (maxmemory-policy
noeviction): an evicted index would let `destroy_all` miss sessions.
"""

import json
import re
import secrets
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

from redis_lab.errors import ValueTooLarge, VersionConflict
from redis_lab.patterns.checks import seconds, whole
from redis_lab.patterns.keys import escaped, text
from redis_lab.patterns.scripting import Client, checked_client, script
from redis_lab.patterns.server_clock import ServerClock

_ID = re.compile(r"[A-Za-z0-9_-]{43}\.[0-9a-f]{3}[0-9]{13,15}")
_DECODER = json.JSONDecoder()  # json.loads looks for encodings and white space as well: 1 µs
_SHARDS = 4096  # hash tags over which users are spread, three hexadecimal digits
_SLACK = 60_000.0  # ms by which the estimate of the server's time is trusted not to be behind


@dataclass(frozen=True)
class Session:
    """A session as it was read. Change it with `dataclasses.replace(session, data=…)`, then save.

    id: the secret, left out of the repr so that it stays out of logs; data: what JSON can hold;
    version: counts the saves, from 1.
    """

    id: str = field(repr=False)
    user: str
    data: dict[str, Any]
    version: int


class SessionStore:
    """Sessions in Redis, by an id that can't be guessed (256 bits from `secrets`).

    ttl: seconds without a load() after which a session ends. max_age: seconds after its creation at
    which it ends in any case. max_bytes: of a stored session, ValueTooLarge above it.

    The id carries the slot of the user and the end of the session in the server's time: it names
    the key, so that a changed one finds nothing, and load() is one GETEX. When the end is less than
    ttl and a minute away, the server itself caps the slide at it. Before that the process relies on
    an estimate of the server's time (asked once a minute, from the monotonic clock); only a machine
    that slept for more than that minute in the middle, or a server clock that steps ahead by as
    much, could let one session slide past its end.
    The clock of this machine may be set to anything.

    destroy_all() ends what create() or rotate() have returned before, in any process, and what they
    return after it is new and lives. What a failover loses, it loses here as well: a primary that
    never gave its last writes to a replica takes ends of sessions with it.
    """

    def __init__(
        self,
        client: Client,
        name: str = "session",
        *,
        ttl: float = 1800.0,
        max_age: float = 30 * 86400.0,
        max_bytes: int = 1_048_576,
    ):
        self.client, self.name = checked_client(client), escaped(name)
        self.ttl, self.max_age = seconds("ttl", ttl), seconds("max_age", max_age)
        self.max_bytes = whole("max_bytes", max_bytes)
        self._ttl, self._age = round(ttl * 1000), round(max_age * 1000)
        self._far = self._ttl + _SLACK
        self._clock = ServerClock(client)

    def _key(self, id: str) -> str:
        return f"{{{self.name}:{id[44:47]}}}:{id}"

    def _index(self, shard: str, user: str) -> str:
        return f"{self._prefix(shard)}user:{user}"  # the last part: it needs no escaping

    def _prefix(self, shard: str) -> str:
        return f"{{{self.name}:{shard}}}:"

    def create(self, user: str, data: dict[str, Any] | None = None) -> str:
        """A new session; its id. data: a dict of what JSON can hold."""
        shard = _shard(user)
        value = self._value(1, user, {} if data is None else data)
        start = f"{secrets.token_urlsafe(32)}.{shard}"
        args = [self._prefix(shard), start, value, self._ttl, self._age]
        return text(script("session_create")(self.client, [self._index(shard, user)], args))

    def load(self, id: str) -> Session | None:
        """The session, and its TTL begins anew; None for one that is unknown or has ended."""
        if not _is_id(id):
            return None
        key = self._key(id)
        ends, now = int(id[47:]), self._clock.now(key) / 1000
        if ends - now > self._far:
            value = self.client.execute_command("GETEX", key, "PX", self._ttl)
        else:
            until = min(ends, int(now) + self._ttl)
            value = self.client.execute_command("GETEX", key, "PXAT", max(1, until))
        return None if value is None else _session(id, value)

    def save(self, session: Session) -> Session:
        """Store its data; the session as it is now. Its TTL stays as it was.

        Raises VersionConflict when it was saved since it was read, by someone else or by an earlier
        try of a client that repeats commands, or has ended or been rotated (`actual` 0): that never
        comes back. A session keeps its user (ValueError).
        """
        if not isinstance(session, Session):
            raise TypeError(f"session must be a Session, not {type(session).__name__}")
        version, user = session.version, session.user
        value = self._value(version + 1, user, session.data)
        actual = 0
        if _is_id(session.id):
            keys, args = [self._key(session.id)], [_head(version, user), value]
            actual = script("session_save")(self.client, keys, args)
        if actual == version:
            raise ValueError("user: a session keeps the one it was created for")
        if actual >= 0:
            raise VersionConflict(version, actual)
        return replace(session, version=version + 1)

    def rotate(self, id: str) -> Session | None:
        """The same session under a new id; the old one is dead at once. None when it had ended.

        For every change of rights: an id that was planted before is worth nothing after. Its end
        and its user stay: a login is a create(), then destroy() of the guest's session.
        """
        user = self._user(id)
        if user is None:
            return None
        new = secrets.token_urlsafe(32) + id[43:]
        keys = [self._key(id), self._key(new), self._index(id[44:47], user)]
        args = [id, new, self._ttl, id[47:]]
        value = script("session_rotate")(self.client, keys, args)
        return None if value is None else _session(new, value)

    def destroy(self, id: str) -> bool:
        """End it; False when it had ended before, if only by an earlier try of the client."""
        user = self._user(id)
        if user is None:
            return False
        keys = [self._key(id), self._index(id[44:47], user)]
        return bool(script("session_destroy")(self.client, keys, [id]))

    def destroy_all(self, user: str) -> int:
        """End all sessions of a user; how many there were (0 where the client tries again)."""
        shard = _shard(user)
        keys, args = [self._index(shard, user)], [self._prefix(shard)]
        return int(script("session_destroy_all")(self.client, keys, args))

    def sessions(self, user: str) -> list[Session]:
        """The user's sessions, oldest first; their TTL goes on as before."""
        shard = _shard(user)
        keys, args = [self._index(shard, user)], [self._prefix(shard)]
        reply = script("session_list")(self.client, keys, args)
        pairs = zip(map(text, reply[::2]), reply[1::2], strict=True)
        return [_session(id, value) for id, value in sorted(pairs, key=lambda pair: pair[0][47:])]

    def __repr__(self) -> str:
        return f"<SessionStore {self.name!r} ttl={self.ttl:g} max_age={self.max_age:g}>"

    def _user(self, id: str) -> str | None:
        """Whose session it is: that never changes, so it may be asked beforehand.

        GETEX, because a Cluster client may ask a replica for a GET, which may not know it yet.
        """
        value = self.client.execute_command("GETEX", self._key(id)) if _is_id(id) else None
        return None if value is None else _session(id, value).user

    def _value(self, version: int, user: str, data: dict[str, Any]) -> str:
        if not isinstance(data, dict):
            raise TypeError(f"data must be a dict, not {type(data).__name__}")
        try:
            value = _head(version, user) + json.dumps(data, allow_nan=False) + "]"
        except TypeError as error:
            raise TypeError(f"data must be what JSON can hold: {error}") from error
        except ValueError as error:
            raise ValueError(f"data must be what JSON can hold: {error}") from error
        if len(value) > self.max_bytes:
            raise ValueTooLarge(f"session of {len(value)} bytes, over max_bytes={self.max_bytes}")
        return value


def _is_id(id: str) -> bool:
    if not isinstance(id, str):
        raise TypeError(f"id must be a str, not {type(id).__name__}")
    return _ID.fullmatch(id) is not None


def _head(version: int, user: str) -> str:
    """How a stored session begins; its data follows, then a bracket."""
    return f"[{version},{json.dumps(user)},"


def _session(id: str, value: str | bytes) -> Session:
    value = value if isinstance(value, str) else value.decode()
    (version, user, data), _ = _DECODER.raw_decode(value)
    return Session(id, user, data, version)


def _shard(user: str) -> str:
    escaped(user, "user")  # for its checks
    return f"{zlib.crc32(user.encode()) % _SHARDS:03x}"
