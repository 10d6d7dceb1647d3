"""Redis Lab: real Redis servers as Python objects, and the patterns that the course teaches.

Names are looked up when they are first used, so that `import redis_lab` stays as fast as `import
redis`.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis_lab.course.learner import check as check
    from redis_lab.course.learner import hint as hint
    from redis_lab.course.learner import progress as progress
    from redis_lab.course.learner import solution as solution
    from redis_lab.course.predict import predict as predict
    from redis_lab.lab import Node as Node
    from redis_lab.lab import Topology as Topology
    from redis_lab.lab import attach as attach
    from redis_lab.lab import cluster as cluster
    from redis_lab.lab import replicated as replicated
    from redis_lab.lab import secure as secure
    from redis_lab.lab import sentinel as sentinel
    from redis_lab.lab import standalone as standalone

_HOMES = {
    "LabUnavailable": "errors",
    "LockLost": "errors",
    "LockNotAcquired": "errors",
    "Node": "lab",
    "RateLimited": "errors",
    "RedisLabError": "errors",
    "Topology": "lab",
    "ValueTooLarge": "errors",
    "VersionConflict": "errors",
    "attach": "lab",
    "check": "course.learner",
    "cluster": "lab",
    "hint": "course.learner",
    "predict": "course.predict",
    "progress": "course.learner",
    "replicated": "lab",
    "secure": "lab",
    "sentinel": "lab",
    "solution": "course.learner",
    "standalone": "lab",
}
_MODULES = ("course", "data", "errors", "lab", "magics", "observe", "patterns", "show")

__version__ = "0.1.0"
__all__ = sorted([*_HOMES, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"redis_lab.{name}")
    if name in _HOMES:
        value = getattr(import_module(f"redis_lab.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'redis_lab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES, *_MODULES])


def load_ipython_extension(shell: Any) -> None:
    """Register %redis and %%redis: what `%load_ext redis_lab` calls."""
    import_module("redis_lab.magics").register(shell)
    if path := os.environ.get("REDIS_LAB_COMMANDS_RUN"):
        import_module("redis_lab.course.coverage").watch(shell, path)
