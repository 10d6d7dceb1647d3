"""How a cache drops many values: by name, pattern and tag.

A value is dropped with the claim of whoever computes it. Where that takes two steps the claims go
first: a value that was stored in between is then found by the second step.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

from redis.cluster import RedisCluster

from redis_lab.patterns.cache_keys import globbed, pattern_of
from redis_lab.patterns.keys import escaped, text, unescaped
from redis_lab.patterns.scripting import script

if TYPE_CHECKING:
    from redis_lab.patterns.cache import RedisCache
    from redis_lab.patterns.cache_value import Plan

_BATCH = 1000
_T = TypeVar("_T")


def drop(cache: "RedisCache", names: list[str]) -> None:
    """Drop the values of these names, and the claims on them."""
    for batch in _batches(names):
        _unlink(cache, [cache._keys(name) for name in batch])


def drop_pattern(cache: "RedisCache", pattern: str) -> None:
    """Drop what matches: claims in one scan, then values in another."""
    coarse, exact = pattern_of(pattern)
    nodes = {"target_nodes": RedisCluster.PRIMARIES} if cache.clustered else {}
    for prefix in (cache.claim_prefix, cache.value_prefix):
        match = f"{globbed(prefix)}{{{coarse}}}"
        found = map(text, cache.client.scan_iter(match=match, count=_BATCH, **nodes))
        inside = slice(len(prefix) + 1, -1)
        keys = (key for key in found if exact.fullmatch(unescaped(key[inside])))
        for batch in _batches(keys):
            _unlink(cache, [(key,) for key in batch])


def tag(cache: "RedisCache", name: str, plan: "Plan") -> None:
    """Note, before a value is computed, which tags it carries."""
    value, claim = cache._keys(name)
    args = [value, round(plan.ttl * 1000), claim, round(cache.load_timeout * 1000)]
    keys = cache._tag_keys(plan)
    for group in [[key] for key in keys] if cache.clustered else [keys] if keys else []:
        script("cache_tag")(cache.client, group, args)


def drop_tag(cache: "RedisCache", name: str) -> None:
    """Drop what carries a tag: by one script on a single server, else key by key."""
    tag, taken = cache.tag_prefix + escaped(name, "tag"), _BATCH
    while taken == _BATCH:
        if cache.clustered:
            members: Any = cache.client.zrange(tag, 0, _BATCH - 1, withscores=True)
            _unlink(cache, [(text(key),) for key, _ in members])
            seen = [(key, f"{score:.0f}") for key, score in members]
            script("cache_untag")(cache.client, [tag], [*chain.from_iterable(seen)])
            taken = len(members)
        else:
            taken = script("cache_drop_tag")(cache.client, [tag], [_BATCH])


def _unlink(cache: "RedisCache", groups: list[tuple[str, ...]]) -> None:
    """Remove keys; those of one group share a slot."""
    if cache.clustered:
        pipe = cache.client.pipeline()
        for group in groups:
            pipe.execute_command("UNLINK", *group)
        pipe.execute()
    else:
        cache.client.unlink(*(key for group in groups for key in group))


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch
