"""Key names: one place that makes them safe, whatever the caller called the thing.

A name may hold spaces, colons, braces and any script. Braces (a Cluster takes what stands between
them for the hash tag), colons (our separator) and percent signs are written as in URLs, so that two
names never make one key and no namespace is a prefix of another.
"""

import re
from typing import Any


def escaped(name: str, argument: str = "name") -> str:
    """The name with braces, colons and percent signs written as %7B, %7D, %3A and %25.

    Raises TypeError for what is no str, ValueError for an empty one; both name the argument.
    """
    if not isinstance(name, str):
        raise TypeError(f"{argument} must be a str, not {type(name).__name__}")
    if not name:
        raise ValueError(f"{argument} must not be empty")
    safe = name.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")
    return safe.replace(":", "%3A")


def tagged(name: str, argument: str = "name") -> str:
    """The name as hash tag, "{name}": all keys that begin with it live in one slot."""
    return f"{{{escaped(name, argument)}}}"


def unescaped(part: str) -> str:
    """The name that escaped() made this of."""
    return re.sub("%(7B|7D|3A|25)", lambda found: chr(int(found[1], 16)), part)


def text(reply: Any) -> str:
    """A reply as text, whether the client decodes replies or not."""
    return reply.decode() if isinstance(reply, bytes) else str(reply)
