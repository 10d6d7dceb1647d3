"""The errors of Redis Lab: few, and all under RedisLabError."""


class RedisLabError(Exception):
    """Base of every error that redis_lab defines."""


class LabUnavailable(RedisLabError):
    """A server or tool that the call needs is not there; the message says how to get it."""


class LockNotAcquired(RedisLabError):
    """The lock was not free within the time the caller was ready to wait."""


class LockLost(RedisLabError):
    """The lock ran out, or was taken over, while its holder still worked."""


class RateLimited(RedisLabError):
    """The call was refused by a rate limiter.

    retry_after: seconds until the same call would be admitted.
    """

    def __init__(self, retry_after: float):
        super().__init__(f"rate limit reached: try again in {retry_after:.3f} s")
        self.retry_after = retry_after


class VersionConflict(RedisLabError):
    """The stored version is not the one that the caller had read.

    expected, actual: version numbers.
    """

    def __init__(self, expected: int, actual: int, advice: str = "read again, then retry"):
        super().__init__(f"expected version {expected}, found {actual}: {advice}")
        self.expected = expected
        self.actual = actual


class ValueTooLarge(RedisLabError):
    """The value is larger than the limit the caller configured."""
