"""`@cache.cached(...)`: the decorator, for RedisCache and whatever else has its `fetch`."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any

from redis_lab.patterns import checks
from redis_lab.patterns.cache_keys import CallKeys
from redis_lab.patterns.keys import escaped

if TYPE_CHECKING:
    from redis_lab.patterns.cache import RedisCache

Tags = Iterable[str] | Callable[..., Iterable[str]]


def cached(
    cache: "RedisCache",
    ttl: float | None = None,
    version: int = 1,
    cache_none: bool = True,
    tags: Tags = (),
    early: float = 0.0,
    key: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Callable[[Callable[..., Any]], Any]:
    """Keep a function's results: one computation of each over all threads and processes.

    ttl: seconds, the cache's own if None. version: raise it when the function's meaning changes.
    cache_none: whether None is kept as a result. tags: under which the results can be invalidated;
    or a function of the arguments that gives them. early: above 0, a caller recomputes before the
    value expires, the more likely the nearer that is and the longer it took (XFetch; 1.0 is the
    paper's choice), while others get the old value. key: a function of the arguments whose result
    stands for them in the key: for methods, `key=lambda self, x: x`. name: the function's own
    namespace within the cache's, instead of module and qualified name; required for a lambda, and
    in __main__ whatever the cache: it is another module in each program that uses that cache.

    A call gives what was stored, on a miss too: what a serializer makes of the result. Closures
    of one function share a name: give each its own, or pass in what they close over.
    The wrapper has key(...), invalidate(...) and refresh(...), which take the function's arguments
    (a method's object first), and __wrapped__.
    """
    checks.number("early", early)
    if early < 0:
        raise ValueError(f"early must not be negative, not {early}")
    common = cache._plan(ttl, () if callable(tags) else tags)
    common = common._replace(early=early, keep_none=cache_none)
    if key is not None and not callable(key):
        raise TypeError(f"key must be callable, not {type(key).__name__}")
    if name is not None:
        escaped(name, "name")

    def decorate(function: Callable[..., Any]) -> Any:
        key_of = CallKeys(function, name or _own_name(function), version, key)

        def plan_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if not callable(tags):
                return common
            return common._replace(tags=cache._plan(common.ttl, tags(*args, **kwargs)).tags)

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            plan = plan_of(args, kwargs)
            return cache.fetch(key_of(args, kwargs), lambda: function(*args, **kwargs), plan).value

        def key_for(*args: Any, **kwargs: Any) -> str:
            """The key of this call, for get, set and invalidate."""
            return key_of(args, kwargs)

        def invalidate(*args: Any, **kwargs: Any) -> None:
            """Drop the result of this call."""
            cache.invalidate(key_of(args, kwargs))

        def refresh(*args: Any, **kwargs: Any) -> Any:
            """Compute the result of this call now and store it."""
            plan = plan_of(args, kwargs)
            loader = lambda: function(*args, **kwargs)  # noqa: E731
            return cache.refresh(key_of(args, kwargs), loader, plan).value

        wrapper.key, wrapper.invalidate, wrapper.refresh = key_for, invalidate, refresh  # type: ignore[attr-defined]
        return wrapper

    return decorate


def _own_name(function: Callable[..., Any]) -> str:
    module = getattr(function, "__module__", "__main__")
    name = getattr(function, "__qualname__", "<lambda>")
    if module == "__main__" or name.endswith("<lambda>"):
        raise ValueError(
            f"name: another program could have its own {module}.{name}; pass cached(name=...)"
        )
    return f"{module}.{name}"
