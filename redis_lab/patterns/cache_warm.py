"""Storing many values: a thousand in a script, the next thousand made while the server works.

A value that is being computed because there was none is not stored over one that came this way.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from redis import Redis

from redis_lab.patterns.keys import escaped, text
from redis_lab.patterns.scripting import script

if TYPE_CHECKING:
    from redis_lab.patterns.cache import RedisCache

_CHUNK = 1000  # values in one trip
_CHUNK_BYTES = 4 * 2**20  # or a little more than that


def warm(
    cache: "RedisCache", items: Mapping[str, Any] | Iterable[tuple[str, Any]], ttl: float
) -> int:
    """Store many values for ttl seconds; returns how many."""
    pairs = items.items() if isinstance(items, Mapping) else items
    send = _send_cluster if cache.clustered else _send_single
    return sum(send(cache, _chunks(cache, pairs, ttl)))


def _chunks(
    cache: "RedisCache", pairs: Iterable[tuple[str, Any]], ttl: float
) -> Iterator[list[Any]]:
    """Lists of key, value, ttl in ms, key, value, ttl, ..."""
    version, size, head = text(cache.version.ensured()), 0, b""
    chunk: list[Any] = []
    for key, value in pairs:
        if cache.jitter or not chunk:
            life = cache._life(ttl)
            head = f"{version} {cache.clock.now(cache.version_key) + life * 1000:.0f} 0 ".encode()
        payload = cache._packed(value)
        chunk += (f"{cache.value_prefix}{{{escaped(key, 'items')}}}", head + payload, life)
        size += len(payload)
        if len(chunk) == 3 * _CHUNK or size > _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _send_single(cache: "RedisCache", chunks: Iterator[list[Any]]) -> Iterator[int]:
    """Send a chunk, make the next one, and only then read the reply."""
    assert isinstance(cache.client, Redis)
    source, pool = script("cache_warm").source, cache.client.connection_pool
    connection, sent = pool.get_connection(), 0
    try:
        for chunk in chunks:
            if sent:
                connection.read_response()
            connection.send_command("EVAL", source, 0, *chunk)
            sent = len(chunk) // 3
            yield sent
        if sent:
            connection.read_response()
    except BaseException:
        connection.disconnect()  # a reply may still be on its way
        raise
    finally:
        pool.release(connection)


def _send_cluster(cache: "RedisCache", chunks: Iterator[list[Any]]) -> Iterator[int]:
    """Each value is in a slot of its own, so there is one command for each."""
    for chunk in chunks:
        pipe = cache.client.pipeline()
        for at in range(0, len(chunk), 3):
            pipe.execute_command("SET", chunk[at], chunk[at + 1], "PX", chunk[at + 2])
        pipe.execute()
        yield len(chunk) // 3
