"""Command lines and replies, compared byte for byte with the redis-cli that is installed."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from redis_lab.replies import ErrorReply, ReplyParser, Status, format_reply, split

PASSWORD = secrets.token_hex(8)
needs_cli = pytest.mark.skipif(not shutil.which("redis-cli"), reason="compares with redis-cli")

SETUP = r"""
SET text "hello \"world\" \\ \n\r\t\a\b"
SET binary "\x00\x01\x7f\x80\xff"
SET unicode "naïve ☕"
SET empty ""
SET number 42
RPUSH short a
RPUSH long a b c d e f g h i j k l
RPUSH hundred 1
SADD one-member m
ZADD board 1.5 ada 2 bob 3.25e10 cy 4 d 5 e 6 f 7 g 8 h 9 i 10 j
HSET hash field value "a b" ""
GEOADD places 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
XADD stream 1-1 k v
XADD stream 1-2 a 1 b 2
XADD stream 2-1 "\xff" ""
XGROUP CREATE stream readers 0
XREADGROUP GROUP readers one COUNT 2 STREAMS stream >
SETBIT bits 7 1
"""

CASES = [
    "PING", "PING hello", 'ECHO ""', "ECHO 'single \"quoted\" \\' \\n'", r'ECHO "\x41\x0a\q\x4"',
    "ECHO plain\"joined\"", "  ECHO   spaces  ", "ECHO 'ünï ☕'", r'ECHO "☕\xff"', "SET k v",
    "SET text v NX",
    "GET text", "GET binary", "GET unicode", "GET empty", "GET number", "GET nothing",
    "STRLEN unicode", "MGET text nothing number", "MGET nothing", "SET n 0\nINCR n\nINCRBY n -5",
    "INCR text", "LPUSH text 1", "GET", "NOSUCH a 'b c'", "nosuch é", "SELECT 99", "SELECT 1",
    "CONFIG SET nosuch 1", "LRANGE short 0 -1", "LRANGE long 0 -1", "LRANGE nothing 0 -1",
    "LPOP nothing", "LPOP nothing 3", "LPOS long c COUNT 0", "SMEMBERS one-member",
    "SMISMEMBER one-member m x", "ZRANGE board 0 -1", "ZRANGE board 0 -1 WITHSCORES",
    "ZSCORE board cy", "ZMSCORE board ada nobody", "ZRANGEBYSCORE board 2 (4 WITHSCORES",
    "HGETALL hash", "HGETALL nothing", "HMGET hash field nothing", "XRANGE stream - +",
    "XRANGE stream 5 +", "XREAD COUNT 2 STREAMS stream 0", "XREAD STREAMS stream 9",
    "XPENDING stream readers", "XPENDING stream readers IDLE 1000000 - + 10",
    "XINFO STREAM stream", "XINFO GROUPS stream", "GEOPOS places Palermo Nowhere Catania",
    "GEOSEARCH places FROMMEMBER Palermo BYRADIUS 200 km ASC WITHDIST WITHCOORD",
    "GEODIST places Palermo Catania km", "BITFIELD bits GET u8 0 GET u4 4", "BITPOS bits 1",
    "TYPE stream", "OBJECT ENCODING hash", "TTL text", "SCAN 0 MATCH te* COUNT 1000",
    "EVAL 'return {1,{2,{3,{}}},\"x\",false,{ok=\"fine\"},{err=\"ERR bad\"}}' 0",
    "EVAL 'return {{{1,2},{3}},{{4}}}' 0", "EVAL 'return redis.call(\"LPUSH\", \"text\", 1)' 0",
    "EVAL 'local t = {} for i = 1, 101 do t[i] = {i, \"v\"} end return t' 0",
    "COMMAND INFO GET NOSUCH", "COMMAND DOCS GET", "COMMAND GETKEYS MSET a 1 b 2",
    "COMMAND COUNT EXTRA", "CONFIG GET maxmemory*", "CONFIG GET nosuch", "ACL GETUSER nobody",
    "MULTI\nSET k v\nGET text\nLPUSH text 1\nLRANGE long 0 1\nEXEC", "EXEC", "MULTI\nNOSUCH\nEXEC",
    "MULTI\nEXEC", "WATCH k\nUNWATCH", "INFO nosuch", "CLIENT LIST TYPE nosuch", "CLIENT GETNAME",
    "MEMORY DOCTOR", "LATENCY DOCTOR", "CLUSTER INFO", "FUNCTION LIST", "DUMP nothing",
    "LOLWUT VERSION 1 nonsense", "RESET",
]  # fmt: skip

RESP3_CASES = [
    "HGETALL hash", "HGETALL nothing", "SMEMBERS one-member", "SMEMBERS nothing", "ZSCORE board cy",
    "ZRANGE board 0 -1 WITHSCORES", "GEOPOS places Palermo Nowhere", "XREAD STREAMS stream 0",
    "XINFO STREAM stream FULL", "COMMAND DOCS GET SET", "CONFIG GET maxmemory*", "LPUSH text 1",
    "ACL GETUSER default", "MEMORY DOCTOR", "GET nothing", "MGET nothing text", "INCR text",
    "EVAL 'redis.setresp(3) return {true,false,{map={a={map={b={1,2}}},c={set={d=true}}}}}' 0",
    "EVAL 'redis.setresp(3) return {double=0.1}' 0", "FUNCTION STATS", "INFO nosuch",
]  # fmt: skip


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    if not (server := shutil.which("redis-server")):
        pytest.skip("needs a redis-server on PATH")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [server, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--daemonize", "no"]
    process = subprocess.Popen([*words, "--requirepass", PASSWORD], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(redis.ConnectionError), connect(port) as connection:
                for line in SETUP.strip().splitlines():
                    ask(connection, line)
                break
            assert process.poll() is None and time.monotonic() < deadline, "no server came up"
        yield port
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def connect(port: int) -> Iterator[Any]:
    connection = redis.Connection(
        port=port, password=PASSWORD, protocol=2, parser_class=ReplyParser, socket_timeout=5
    )
    connection.connect()
    try:
        yield connection
    finally:
        connection.disconnect()


def ask(connection: Any, line: str) -> tuple[Any, list[bytes]]:
    words = split(line)
    connection.send_command(*words)
    try:
        return connection.read_response(), words
    except ErrorReply as error:
        return error, words


def ours(port: int, lines: str, raw: bool = False, resp3: bool = False) -> str:
    with connect(port) as connection:
        if resp3:
            ask(connection, "HELLO 3")
        answers = [ask(connection, line) for line in lines.split("\n")]
    return "".join(format_reply(reply, raw, words) for reply, words in answers)


def redis_clis(port: int, lines: str, *options: str) -> str:
    done = subprocess.run(
        ["redis-cli", "-p", str(port), *options],
        input=f"{lines}\n".encode(),
        env={**os.environ, "REDISCLI_AUTH": PASSWORD},
        capture_output=True,
        timeout=10,
        check=True,
    )
    return done.stdout.decode("utf-8", "backslashreplace")


@needs_cli
@pytest.mark.parametrize("lines", CASES)
def test_replies_look_as_on_redis_clis_terminal(port: int, lines: str) -> None:
    """Every reply is formatted, byte for byte, as redis-cli formats it for a terminal."""
    assert ours(port, lines) == redis_clis(port, lines, "--no-raw")


@needs_cli
@pytest.mark.parametrize("lines", CASES)
def test_raw_replies_look_as_redis_clis(port: int, lines: str) -> None:
    """With raw, every reply is what redis-cli --raw prints."""
    assert ours(port, lines, raw=True) == redis_clis(port, lines, "--raw")


@needs_cli
@pytest.mark.parametrize("lines", RESP3_CASES)
def test_resp3_replies_look_as_redis_clis(port: int, lines: str) -> None:
    """After HELLO 3, maps, sets, doubles, booleans and nulls look as in redis-cli -3."""
    assert ours(port, lines, resp3=True) == redis_clis(port, lines, "-3", "--no-raw")
    assert ours(port, lines, True, True) == redis_clis(port, lines, "-3", "--raw")


@needs_cli
@pytest.mark.parametrize(
    "line", ['ECHO "a', "ECHO 'a", 'ECHO "a"b', "ECHO 'a'b", r"ECHO 'a\'", 'ECHO "a\\"']
)
def test_unbalanced_quotes_are_refused_where_redis_cli_refuses_them(port: int, line: str) -> None:
    """What redis-cli calls invalid arguments is a ValueError."""
    assert redis_clis(port, line, "--no-raw") == "Invalid argument(s)\n"
    with pytest.raises(ValueError, match="quotes"):
        split(line)


@pytest.mark.parametrize(
    ("wire", "shown"),
    [
        (b"(12345678901234567890123\r\n", "(integer) 12345678901234567890123\n"),
        (b"!8\r\nERR a\r\nb\r\n", "(error) ERR a\r\nb\n"),
        (b"=8\r\ntxt:a\nb\n\r\n", "a\nb\n\n"),
        (b">2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", "-> invalidate: 'a', 'b'\n"),
        (b">2\r\n$10\r\ninvalidate\r\n_\r\n", '1) "invalidate"\n2) (nil)\n'),
        (b">0\r\n", "(empty push)\n"),
        (b"*-1\r\n", "(nil)\n"),
        (
            b"%1\r\n+k\r\n*1\r\n*2\r\n:1\r\n#f\r\n",
            "1# k => \n   1) 1) (integer) 1\n      2) (false)\n",
        ),
    ],
)
def test_rare_resp3_types(wire: bytes, shown: str) -> None:
    """Types that few commands use are read and shown too."""
    assert format_reply(read(wire)) == shown


def read(wire: bytes, piece: int | None = None) -> Any:
    """What the parser makes of the bytes, sent in pieces of that many."""
    near, far = socket.socketpair()
    with near, far:
        parser = ReplyParser(socket_read_size=piece or 65536)
        parser.on_connect(SimpleNamespace(_sock=near, socket_timeout=1.0))
        far.sendall(wire)
        return parser.read_response()


def test_a_reply_may_arrive_in_pieces() -> None:
    """A reply is the same, wherever the network cut it."""
    wire = b"*4\r\n$5\r\na\r\nb\n\r\n:-7\r\n$-1\r\n*1\r\n+OK\r\n"
    expected = [b"a\r\nb\n", -7, None, [b"OK"]]
    assert [read(wire, piece) for piece in range(1, len(wire) + 1)] == [expected] * len(wire)
    assert isinstance(read(wire)[3][0], Status)


def test_silence_and_the_end_of_the_stream_are_errors() -> None:
    """No answer is a timeout, a server that hangs up is a ConnectionError, both at once seen."""
    near, far = socket.socketpair()
    with near:
        parser = ReplyParser(65536)
        parser.on_connect(SimpleNamespace(_sock=near, socket_timeout=0.05))
        assert not parser.can_read()
        with pytest.raises(TimeoutError):
            parser.read_response()
        far.sendall(b"+OK\r\n:1\r\n")
        assert parser.can_read(1.0)
        assert parser.read_response() == b"OK"
        far.close()
        assert parser.can_read()
        assert parser.read_response() == 1
        for attempt in (parser.can_read, parser.read_response):
            with pytest.raises(redis.ConnectionError, match="closed"):
                attempt()


def test_what_is_no_reply_is_refused() -> None:
    """Bytes that are not RESP are an error, not a hang."""
    with pytest.raises(redis.InvalidResponse):
        read(b"HTTP/1.1 400 Bad Request\r\n")


def test_bytes_that_are_not_utf8_are_escaped_in_text() -> None:
    """Raw text that is not UTF-8 is shown with backslash escapes, never lost."""
    assert format_reply(b"a\xffb", raw=True) == "a\\xffb\n"
    assert str(ErrorReply(b"ERR \xff")) == "ERR \\xff"
