"""Which errors of a client pass by themselves, so that the same call may succeed a little later."""

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    ConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

FAILURES = (RedisError, RedisClusterException, OSError)  # all that a client raises, refusals too
_OUTAGES = (
    *(ConnectionError, TimeoutError, ReadOnlyError, OutOfMemoryError),
    *(ClusterDownError, RedisClusterException, TryAgainError, AskError),
)
_CODES = ("NOREPLICAS", "MISCONF", "UNBLOCKED", "BUSY ")  # with the space: BUSYGROUP stays


def is_outage(error: BaseException) -> bool:
    """Whether this passes by itself: the server is away, changing its role, full, or busy."""
    if isinstance(error, AuthenticationError | AuthorizationError):
        return False
    return isinstance(error, _OUTAGES) or (
        isinstance(error, ResponseError) and str(error).startswith(_CODES)
    )
