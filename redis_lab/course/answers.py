"""Runs a learner's function where it can do no harm: in a thread, with a time limit.

What goes wrong in it becomes Refused, a sentence that helps, with the learner's own line. Nothing
that a function does here can hang the kernel or fill the notebook.
"""

import contextlib
import ctypes
import inspect
import io
import linecache
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

from redis.exceptions import ConnectionError, ReadOnlyError, RedisError, ResponseError, TimeoutError

from redis_lab.errors import RedisLabError

SHOWN = 500  # characters of what an answer printed
SENTENCES: dict[type[Exception], str] = {
    TimeoutError: "a command got no reply in time. A blocking command needs a timeout of its own, "
    "below the client's socket_timeout of 2 s",
    ReadOnlyError: "the write went to a replica: ask for the primary",
    ConnectionError: "the server closed the connection",
    ResponseError: "Redis refused the command",
    UnicodeDecodeError: "the reply is bytes that are no text, and this client makes text of every "
    "reply: read such a value with a single command of its own, as r.dump does",
}


class Refused(RedisLabError):
    """The answer can't be judged further; the message says why and what to do."""


class Killed(BaseException):
    """The answer's process died here, says the check. Not an Exception: answers don't catch it."""


class Stopped(BaseException):
    """The time limit has passed."""


class Printed(io.TextIOBase):
    """Takes what an answer prints, counts it, and keeps only the beginning."""

    def __init__(self) -> None:
        self.start = ""
        self.length = 0

    def write(self, text: str) -> int:
        self.length += len(text)
        if len(self.start) < SHOWN:
            self.start += text[: SHOWN - len(self.start)]
        return len(text)

    def __str__(self) -> str:
        more = f" … ({self.length:,} characters in all)" if self.length > SHOWN else ""
        return self.start + more


def require_callable(answer: Any, stub: Callable[..., Any], name: str) -> None:
    """Raise Refused unless the answer can be called as the stub is."""
    if inspect.isclass(stub):
        return _require_class(answer, stub, name)
    takes = inspect.signature(stub)
    form = f"def {name}{takes}:"
    if not callable(answer):
        what = "None" if answer is None else f"a value, {in_words(answer):.60}"
        raise Refused(f"check wants the function itself, not {what}. Write {form} and hand {name}")
    try:
        theirs = inspect.signature(answer)
        theirs.bind(*takes.parameters)
    except TypeError:
        how = f"{name}({', '.join(takes.parameters)})"
        raise Refused(f"your function takes {theirs}; it will be called as {how}") from None
    except ValueError:  # built-in functions have no signature: the call will tell
        return
    if inspect.iscoroutinefunction(answer):
        raise Refused("your function is a coroutine: write it with def, not async def")


def _require_class(answer: Any, stub: type[Any], name: str) -> None:
    if not inspect.isclass(answer):
        raise Refused(f"check wants the class itself. Write class {name}: and hand {name}")
    methods = [method for method in vars(stub) if method == "__init__" or method[0] != "_"]
    for method in methods:
        form = f"def {method}{inspect.signature(getattr(stub, method))}:"
        if getattr(answer, method, None) in (None, object.__init__):
            raise Refused(f"your class has no method {method}. Write {form}")
        require_callable(getattr(answer, method), getattr(stub, method), method)


def call_all(
    answer: Callable[..., Any], calls: Sequence[Sequence[Any]], seconds: float, release: Any
) -> list[Any]:
    """The results of answer(*args) for all these args, begun at once in a thread each, in order.

    seconds: how long they may take. release: called when that is over; it must make whatever the
    answer waits for fail. Raises Refused, or Killed where the check let an answer die.
    """
    outcomes: list[tuple[str, Any]] = [("late", None)] * len(calls)
    start = threading.Barrier(len(calls))

    def work(place: int) -> None:
        try:
            start.wait()
            outcomes[place] = ("value", answer(*calls[place]))
        except BaseException as error:
            outcomes[place] = ("error", error)

    threads = [
        threading.Thread(target=work, args=[place], name="answer", daemon=True)
        for place in range(len(calls))
    ]
    try:
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
    finally:
        late = [thread for thread in threads if thread.is_alive()]
        where = _place_of(late[0], answer) if late else ""
        _end(late, release)
    if late:
        raise Refused(f"it did not come back in {seconds:g} s{where}. A loop without end?")
    for kind, value in outcomes:
        if kind == "error":
            raise _explained(value, answer) from None
    return [value for _, value in outcomes]


def in_words(value: Any, form: Callable[[Any], str] = repr) -> str:
    """repr() or str() of whatever a learner made, even where that raises."""
    try:
        return form(value)
    except Exception as error:
        return f"<a {type(value).__name__}: its {form.__name__} raised {type(error).__name__}>"


@contextlib.contextmanager
def quiet() -> Iterator[Printed]:
    """Takes what is printed meanwhile, by any thread."""
    printed = Printed()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        yield printed


def _end(threads: list[threading.Thread], release: Any) -> None:
    if not threads:
        return
    release()
    for thread in threads:
        if thread.is_alive() and thread.ident:
            # Python code takes this between two bytecodes; code that waits was released above.
            stop = ctypes.c_ulong(thread.ident), ctypes.py_object(Stopped)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(*stop)
    deadline = time.monotonic() + 1.0
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _explained(error: BaseException, answer: Any) -> BaseException:
    if isinstance(error, Refused | Killed):
        return error
    words = in_words(error, str)
    said = f"{type(error).__name__}: {words}" if words else type(error).__name__
    hint = next((text for kind, text in SENTENCES.items() if isinstance(error, kind)), "")
    if isinstance(error, RedisError) and "unknown command" in words.lower():
        hint = "this server is too old for the command"
    line = _line_of(error.__traceback__, answer)
    return Refused(f"it raised {said:.300}{line}" + (f" ({hint})" if hint else ""))


def _line_of(trace: TracebackType | None, answer: Any) -> str:
    """The last line of the learner's own file that the error came through."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(trace)]
    return _quoted(frames, answer)


def _place_of(thread: threading.Thread, answer: Any) -> str:
    frame = sys._current_frames().get(thread.ident or 0)
    frames = [(each.f_code.co_filename, line) for each, line in traceback.walk_stack(frame)]
    return _quoted(frames[::-1], answer)


def _quoted(frames: list[tuple[str, int]], answer: Any) -> str:
    answer = answer.__init__ if inspect.isclass(answer) else answer
    code = getattr(inspect.unwrap(answer), "__code__", None)
    own = [line for file, line in frames if code and file == code.co_filename]
    if not own or code is None:
        return ""
    lines = {line for _, _, line in code.co_lines() if line}
    inside = [line for line in own if line in lines]
    text = linecache.getline(code.co_filename, own[-1]).strip()
    if own[-1] in lines or not inside:
        place = own[-1] - code.co_firstlineno + 1
        where = f"line {place} of your function" if own[-1] in lines else f"line {own[-1]}"
    else:
        place = inside[-1] - code.co_firstlineno + 1
        where = f"line {own[-1]}, called from line {place} of your function"
    return f", at {where}: {text:.100}"
