"""How long a blocking command may block, so that the client's own timeout never comes first.

redis-py takes a reply that comes later than socket_timeout for a broken connection: a BLPOP of 3 s
under a timeout of 1 s fails after 11 attempts. So a long wait is made of short ones.
"""

from redis_lab.patterns.scripting import Client

LONGEST = 1.0
LATE = 0.12  # a server with nothing else to do looks for those that have waited enough every 0.1 s


def longest_block(client: Client) -> float:
    """Seconds: half the client's socket timeout, but at most one, and early enough for LATE."""
    timeout = client.get_connection_kwargs().get("socket_timeout")
    return min(LONGEST, timeout / 2, max(timeout - LATE, 0.01)) if timeout else LONGEST
