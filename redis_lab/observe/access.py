"""What users may do: each command tried for real and by ACL DRYRUN, side by side.

`attempts` executes what it is given, as each user: for servers of your own. `permitted` asks.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

# A refusal inside a script is no NOPERM; 7.0 and 8.x word it differently. SORT has its own.
_REFUSALS = (
    "ACL failure in script", "The user executing the script can't",
    "denied due to insufficient ACL permissions",
)  # fmt: skip
_COLUMNS = ("user", "command", "passed", "dryrun", "said")


def attempts(
    client: Any, users: Mapping[str, Any], commands: Iterable[str | Iterable[str]]
) -> pd.DataFrame:
    """Run every command as every user, each on a new connection. One row for each.

    client: may call ACL DRYRUN. users: a client for each ACL user, by the user's name. commands:
    as one types them, or lists of words; they should not block (SUBSCRIBE is fine).
    Columns: user, command, passed (the ACL let it through, whatever became of it: another error is
    no refusal), dryrun (what DRYRUN says), said (the reply or the error, shortened). A login that
    is refused is a command that is refused.
    """
    tries = [command if isinstance(command, str) else list(command) for command in commands]
    rows = []
    for name, each in users.items():
        for command in tries:
            words = shlex.split(command) if isinstance(command, str) else command
            passed, said = _really(each, words)
            text = command if isinstance(command, str) else shlex.join(words)
            rows.append((name, text, passed, _by_dryrun(client, name, words), said))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def permitted(client: Any, user: str) -> set[str]:
    """All commands of the server that the user's rules allow, keys and channels aside.

    Names as in ACL CAT: "get", "config|set". By ACL DRYRUN with arguments in the right number.
    Raises redis.ResponseError for an unknown user, and for a client that may not ask.
    """
    client.execute_command("ACL DRYRUN", user, "PING")
    connection = client.connection_pool.make_connection()
    try:
        connection.connect()
        connection.send_command("COMMAND")
        leaves = [leaf for command in connection.read_response() for leaf in _leaves(command)]
    finally:
        connection.disconnect()
    pipe = client.pipeline(transaction=False)
    for name, arity in leaves:
        words = name.split("|")
        pipe.execute_command("ACL DRYRUN", user, *words, *["x"] * (abs(arity) - len(words)))
    # Another error than this one is about the arguments, which come to nothing here.
    said = pipe.execute(raise_on_error=False)
    named = zip(leaves, said, strict=True)
    return {name for (name, _), reply in named if "permissions to run" not in _text(reply)}


def _leaves(command: list[Any]) -> Iterator[tuple[str, int]]:
    """Name and arity of a command, or of its subcommands where it has some."""
    if command[9]:
        for each in command[9]:
            yield from _leaves(each)
    else:
        yield _text(command[0]), int(command[1])


def _text(reply: Any) -> str:
    return reply.decode(errors="replace") if isinstance(reply, bytes) else str(reply)


def _really(client: Any, words: list[str]) -> tuple[bool, str]:
    pool = client.connection_pool
    # In protocol 3 the answer to SUBSCRIBE is a push, which redis-py would go on to wait behind.
    connection = pool.connection_class(**(pool.connection_kwargs | {"protocol": 2}))
    try:
        connection.connect()
        connection.send_command(*words)
        return True, _text(connection.read_response(disable_decoding=True))[:100]
    except (NoPermissionError, AuthenticationError) as error:
        return False, str(error)[:100]
    except RedisError as error:
        return not any(refusal in str(error) for refusal in _REFUSALS), str(error)[:100]
    finally:
        connection.disconnect()


def _by_dryrun(client: Any, user: str, words: list[str]) -> bool:
    try:
        return _text(client.execute_command("ACL DRYRUN", user, *words)) in ("OK", "True")
    except ResponseError:
        return False
