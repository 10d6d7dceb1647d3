"""%redis, %%redis and %redis_use, on real servers and in a real IPython."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

import redis_lab as rl
from redis_lab import magics
from redis_lab.lab.waiting import wait_until
from redis_lab.magics import CommandFailed

pytestmark = pytest.mark.filterwarnings("ignore:`Completer.complete` is pending")

KERNEL = """
kernel = get_ipython().kernel
def tab(code):
    answer = kernel.do_complete(code, len(code))
    return [code[:answer["cursor_start"]] + match for match in answer["matches"]]
print(tab("%redis CONF"), tab("%%redis\\nSET a 1\\nCONFIG G"), tab("%redis --on redis-1 exi"))
"""


@pytest.fixture(scope="module")
def lab():
    with rl.standalone() as lab:
        yield lab


@pytest.fixture
def shell(tmp_path):
    """A fresh IPython with the magics loaded."""
    InteractiveShell.clear_instance()
    config = Config({"HistoryManager": {"enabled": False}})
    shell = InteractiveShell.instance(config=config, ipython_dir=str(tmp_path))
    shell.run_line_magic("load_ext", "redis_lab")
    yield shell
    InteractiveShell.clear_instance()


@pytest.fixture
def cell(shell, lab):
    """Runs a cell against an empty server: what it shows as text, and what it raises."""
    lab.flush()
    return Cells(shell)


class Cells:
    def __init__(self, shell):
        self.shell = shell

    def __call__(self, code):
        """The text of the cell's only output."""
        shown, error = self.full(code)
        if error:
            raise error
        assert len(shown) <= 1, "one cell, one display"
        return shown[0]["text/plain"] if shown else ""

    def full(self, code):
        """All outputs, by MIME type, and the exception or None."""
        with capture_output() as captured:
            result = self.shell.run_cell(code)
        return [output.data for output in captured.outputs], result.error_in_exec

    def failing(self, code, error=CommandFailed):
        """The text of the only output, and what the exception says."""
        shown, raised = self.full(code)
        assert type(raised) is error
        return "".join(each["text/plain"] for each in shown), str(raised)


# what is shown


def test_a_line_shows_the_reply_alone(cell):
    """%redis shows what redis-cli would print, and nothing else."""
    assert cell("%redis SET greeting 'Hello, you'") == "OK"
    assert cell("%redis GET greeting") == '"Hello, you"'
    assert cell("%redis --raw GET greeting") == "Hello, you"


def test_a_cell_shows_every_command_before_its_reply(cell):
    """%%redis echoes commands, and skips comments and blank lines."""
    shown = cell("%%redis\n# first\nSET a 1\n\n   INCR a\n  # last")
    assert shown == "> SET a 1\nOK\n> INCR a\n(integer) 2"


def test_a_cell_with_one_command_is_not_echoed(cell):
    """What stands right above need not be repeated."""
    assert cell("%%redis\nPING\n") == "PONG"


def test_a_cell_of_comments_shows_nothing(cell):
    """No commands, no output."""
    assert cell("%%redis\n# nothing\n") == ""


def test_values_are_escaped_in_html_and_plain_text_has_no_colours(cell):
    """A value can't become markup, and text/plain has no escape codes."""
    cell("%redis SET <b> <script>alert(1)</script>")
    shown, raised = cell.full("%%redis --errors\nGET <b>\nLPUSH <b> 1")
    assert raised is None and len(shown) == 1
    page, plain = shown[0]["text/html"], shown[0]["text/plain"]
    assert "<script>" not in page and "&lt;script&gt;" in page and "&lt;b&gt;" in page
    assert "\x1b" not in plain and '"<script>alert(1)</script>"' in plain


def test_info_is_shown_as_lines(cell):
    """The text of INFO keeps its lines, without carriage returns."""
    assert "\r" not in cell("%redis INFO server")
    assert cell("%redis INFO server").startswith("# Server\nredis_version:")


def test_braces_and_dollars_are_not_python(cell):
    """{tag} and $name reach Redis as they are, even if such variables exist."""
    cell.shell.user_ns.update(user="wrong", price="wrong", node="redis-1")
    cell("%redis SET {user}:1 $price")
    assert cell("%redis GET {user}:1") == '"$price"'
    assert cell("%%redis\nSET {user}:2 {price}\nKEYS {user}:2").endswith('1) "{user}:2"')


def test_binary_values_arrive_byte_for_byte(cell, lab):
    """What is written with escapes is stored as those bytes."""
    cell(r'%redis SET "k\x00" "\xff\r\n"')
    assert lab.primary.client(decode_responses=False).get(b"k\x00") == b"\xff\r\n"


# errors


def test_an_error_reply_is_shown_and_ends_the_cell(cell, lab):
    """The reply is shown in red with its command, then raised; what follows is not run."""
    shown, raised = cell.full("%%redis\nSET a x\nINCR a\nSET b 1\nSET c 1")
    reason = "ERR value is not an integer or out of range"
    assert shown[0]["text/plain"] == f"> SET a x\nOK\n> INCR a\n(error) {reason}"
    assert f'<span style="{magics.RED}">(error) {reason}</span>' in shown[0]["text/html"]
    assert isinstance(raised, CommandFailed)
    assert str(raised) == f"line 3: INCR a: {reason} (not run: 2 more; --errors runs on)"
    assert lab.client().keys() == ["a"]


def test_a_line_that_fails_shows_its_command(cell):
    """An error reply never stands without its command, and raises without a line number."""
    shown, raised = cell.failing("%redis NOSUCH")
    assert shown.startswith("> NOSUCH\n(error) ERR unknown command")
    assert raised.startswith("NOSUCH: ERR unknown command")


def test_expected_errors_are_shown_and_not_raised(cell):
    """With --errors the cell runs to its end."""
    shown = cell("%%redis --errors\nSET a x\nINCR a\nGET a")
    assert shown.endswith('out of range\n> GET a\n"x"')
    assert cell("%redis --errors LPOP a").startswith("> LPOP a\n(error) WRONGTYPE")


def test_an_error_inside_a_transaction_is_part_of_its_reply(cell):
    """EXEC succeeds, whatever the commands in it reply."""
    shown = cell("%%redis\nMULTI\nSET a x\nINCR a\nEXEC")
    assert shown.endswith("1) OK\n2) (error) ERR value is not an integer or out of range")


def test_without_a_primary_the_reason_is_shown(cell, monkeypatch):
    """While the nodes name no primary, what they say is the error, in one line."""

    def nobody(lab):
        raise rl.LabUnavailable("no majority names a primary")

    monkeypatch.setattr(rl.Topology, "primary", property(nobody))
    shown, raised = cell.failing("%redis PING")
    assert shown == "> PING\nno majority names a primary" and raised.startswith("PING: no majority")


@pytest.mark.parametrize("bad", ['SET b "x', "SET b 'x", 'SET b "x"y'])
def test_unbalanced_quotes_name_the_line_and_send_nothing(cell, lab, bad):
    """A cell with a line that can't be read is not run at all."""
    shown, raised = cell.failing(f"%%redis\nSET a 1\n{bad}", UsageError)
    assert shown == "" and raised.startswith(f"line 3: {bad}: unbalanced quotes")
    assert lab.client().keys() == []


@pytest.mark.parametrize(
    ("command", "instead"),
    [
        ("SUBSCRIBE news", "client.pubsub()"),
        ("psubscribe n*", "client.pubsub()"),
        ("SSUBSCRIBE n", "client.pubsub()"),
        ("UNSUBSCRIBE a b", "client.pubsub()"),
        ("MONITOR", "observe.trace"),
        ("SYNC", "rl.replicated()"),
        ("PSYNC ? -1", "rl.replicated()"),
        ("client reply off", "client.pipeline()"),
    ],
)
def test_commands_that_stream_are_refused(cell, lab, command, instead):
    """What would never end, or leave replies behind, says what to use instead; nothing is sent."""
    shown, raised = cell.failing(f"%%redis --errors\nSET a 1\n{command}", UsageError)
    assert shown == "" and raised.startswith("line 3: ") and instead in raised
    assert lab.client().keys() == []


@pytest.mark.parametrize(
    "code", ["%redis", "%redis --raw", "%redis --nosuch PING", "%%redis PING\nPING", "%redis --on"]
)
def test_a_wrong_call_shows_how_it_is_done(cell, code):
    """Options that don't exist, and commands in the wrong place, are usage errors."""
    assert "[--on NODE] [--raw] [--errors]" in cell.failing(code, UsageError)[1]


def test_an_unknown_node_lists_the_nodes(cell):
    """--on takes the name of a node."""
    assert cell.failing("%redis --on redis-9 PING", UsageError)[1].endswith("there are redis-1")


def test_without_a_lab_the_error_says_how_to_start_one(cell, monkeypatch):
    """No topology is one sentence, not a stack of connection errors."""
    monkeypatch.setattr(magics, "running", lambda: ())
    for code in ("%redis PING", "%%redis\nPING", "%redis_use"):
        assert "lab = rl.standalone()" in cell.failing(code, UsageError)[1]
    assert cell.shell.complete("", "%redis CONF", 11)[1] == []


# one connection for each node


def test_a_transaction_may_span_cells(cell, lab):
    """MULTI in one cell and EXEC in the next are one transaction."""
    cell("%redis MULTI")
    assert cell("%redis INCR a") == "QUEUED"
    assert lab.client().get("a") is None
    assert cell("%redis EXEC") == "1) (integer) 1"


def test_the_state_of_the_connection_lasts(cell):
    """SELECT, CLIENT SETNAME and HELLO 3 hold until RESET, which logs in again."""
    cell("%%redis\nSELECT 1\nCLIENT SETNAME me\nHELLO 3")
    assert re.search(r"name=me .* db=1 .*resp=3", cell("%redis CLIENT INFO"))
    cell("%redis HSET h f v")
    assert cell("%redis HGETALL h") == '1# "f" => "v"'
    assert cell("%redis RESET") == "RESET"
    assert cell("%redis HGETALL h").endswith("\n(empty array)")


def test_invalidations_are_shown_as_redis_cli_shows_them(cell, lab):
    """A push message stands before the reply that it came with."""
    cell("%%redis\nHELLO 3\nCLIENT TRACKING ON\nGET a")
    lab.client().set("a", 1)
    assert cell("%redis PING") == "-> invalidate: 'a'\nPONG"
    cell("%redis RESET")


def test_a_server_that_died_is_reported_and_found_again(cell, lab):
    """A dead server is an error; once it is back, one line says that the connection is new."""
    cell("%%redis\nMULTI\nSET a 1")
    lab.kill("redis-1")
    shown, raised = cell.failing("%redis EXEC")
    assert shown == "> EXEC\nCould not connect to redis-1: Connection refused"
    assert "could not connect" in raised.lower()
    assert cell("%redis --errors PING").endswith("Connection refused")
    lab.restart("redis-1")
    shown, raised = cell.failing("%redis EXEC")
    assert "-> Reconnected to redis-1" in shown and raised == "EXEC: ERR EXEC without MULTI"
    assert cell("%redis PING") == "PONG"


def test_a_restart_between_cells_is_noticed_before_anything_is_sent(cell, lab):
    """No command is lost on a connection that had ended."""
    cell("%redis INCR a")
    lab.restart("redis-1")
    assert cell("%redis INCR a").startswith("-> Reconnected to redis-1")
    assert lab.client().get("a") == "1"


def test_no_command_is_sent_twice(cell, lab, monkeypatch):
    """A command without an answer may have been applied: at most once, whatever follows."""
    cell("%redis SET a 0")
    monkeypatch.setattr(magics, "PATIENCE", 0.1)
    cell.shell.run_line_magic("reload_ext", "redis_lab")
    lab.pause("redis-1")
    try:
        for _ in range(3):
            assert "redis-1" in cell.failing("%redis INCR a")[1]
    finally:
        lab.resume("redis-1")
    monkeypatch.undo()
    cell("%redis INCR b")
    assert int(lab.client().get("a")) <= 1
    assert lab.client().get("b") == "1"


def test_shutdown_is_no_error(shell):
    """The server ends the connection instead of replying, as it should."""
    with rl.standalone():
        assert Cells(shell)("%redis SHUTDOWN NOSAVE") == "-> redis-1 has shut down"
        assert "Connection refused" in Cells(shell).failing("%redis PING")[1]


# commands that block


@pytest.fixture
def impatient(cell, monkeypatch):
    """Connections wait 0.2 s for a reply instead of 2."""
    monkeypatch.setattr(magics, "PATIENCE", 0.2)
    yield cell


@pytest.mark.parametrize(
    "command",
    [
        "BLPOP q 0",
        "BRPOP p q 0",
        "BLMOVE q p LEFT LEFT 0",
        "BRPOPLPUSH q p 0",
        "BZPOPMIN z 0",
        "BLMPOP 0 1 q LEFT",
        "BZMPOP 0 1 z MIN",
        "XREAD BLOCK 0 STREAMS s $",
        "WAIT 1 0",
    ],
)
def test_blocking_for_ever_ends(impatient, command):
    """A timeout of 0 doesn't hang the kernel: a message says why it ended, and one goes on."""
    started = time.monotonic()
    assert "timeout 0 is for ever" in impatient.failing(f"%redis {command}")[1]
    assert time.monotonic() - started < 5
    shown = impatient("%redis PING")
    assert shown == "-> Reconnected to redis-1; SELECT, MULTI and HELLO are undone\nPONG"


def test_the_timeout_of_blmovem_stands_in_the_middle():
    """It is found there, on a server that has the command or not (8.10)."""
    words = b"BLMOVEM q p LEFT RIGHT 5.5 COUNT 3 BULK"
    assert magics._patience(words.split()) == 5.5
    assert magics._patience(b"LMOVEM q p LEFT RIGHT COUNT 3 BULK".split()) is None


@pytest.mark.parametrize(
    "command",
    [
        "BLPOP q .5",
        "BRPOP p q 0.5",
        "BLMOVE q p LEFT LEFT 0.5",
        "BZPOPMAX z 0.5",
        "WAIT 1 500",
        "BLMPOP 0.5 1 q LEFT",
        "BZMPOP 0.5 1 z MIN",
        "xread count 1 block 500 streams s $",
    ],
)
def test_a_finite_timeout_is_waited_for(impatient, command):
    """A blocking command may take its own time, though it is longer than a reply may."""
    started = time.monotonic()
    assert impatient(f"%redis {command}") in ("(nil)", "(integer) 0")
    assert time.monotonic() - started >= 0.4


def test_the_stop_button_ends_a_blocking_command(cell, lab):
    """An interrupt ends the wait; what was shown before it stays, and the next command works."""

    def stop():
        with lab.client() as other:
            wait_until(
                lambda: "" if other.info("clients")["blocked_clients"] else "no", 20, "BLPOP"
            )
        signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)

    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    button = threading.Thread(target=stop)
    try:
        button.start()
        shown, raised = cell.full("%%redis\nSET a 1\nBLPOP q 60")
        button.join()
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert isinstance(raised, KeyboardInterrupt)
    assert shown[0]["text/plain"] == "> SET a 1\nOK"
    assert cell("%redis PING").endswith("PONG")


# which server


def test_the_newest_lab_is_used_until_another_is_chosen(shell, lab):
    """%redis_use takes a variable; without one, or once that lab has stopped, it is the newest."""
    cell = Cells(shell)
    shell.user_ns["old"] = lab
    with rl.standalone() as newer:
        shell.user_ns.update(newer=newer, _=newer)
        cell("%redis SET where newer")
        assert cell("%redis_use old") == "%redis talks to old (standalone)"
        cell("%redis SET where old")
        assert newer.client().get("where") == "newer" and lab.client().get("where") == "old"
        wrong = cell.failing("%redis_use nosuch", UsageError)[1]
        assert wrong == "no running lab 'nosuch'; there are: old, newer"
        assert cell("%redis_use") == "%redis talks to the newest lab (standalone)"
        assert cell("%redis GET where") == '"newer"'
        cell("%redis_use newer")
    assert cell("%redis GET where") == '"old"'
    assert "'newer'" in cell.failing("%redis_use newer", UsageError)[1]


def test_the_primary_is_followed_and_a_replica_can_be_asked(shell):
    """Without --on the primary of this moment is asked; with it, that very node."""
    cell = Cells(shell)
    with rl.replicated(1) as lab:
        shown, raised = cell.failing("%redis --on redis-2 SET a 1")
        assert shown.startswith("redis-2> SET a 1\n(error) READONLY") and "READONLY" in raised
        cell("%redis SET a 1")
        lab.failover()
        assert cell("%redis ROLE").startswith('1) "master"')
        assert cell("%redis SET a 2") == "OK"
        assert cell("%redis --on redis-1 ROLE").startswith('1) "slave"')
        assert lab.node("redis-2").client().get("a") == "2"


def test_a_secure_lab_is_reached_with_tls_and_a_password(shell):
    """Certificates and the login come with the node."""
    try:
        lab = rl.secure()
    except rl.LabUnavailable as error:
        pytest.skip(str(error))
    with lab:
        cell = Cells(shell)
        cell("%redis MULTI")
        assert cell("%redis PING") == "QUEUED"
        assert cell("%redis EXEC") == "1) PONG"
        lab.restart("redis-1")
        assert cell("%redis PING").endswith("PONG")


# a cluster


@pytest.fixture(scope="module")
def cluster():
    with rl.cluster(primaries=3, replicas=1) as cluster:
        yield cluster


def as_redis_cli(cluster, lines):
    """What redis-cli -c prints, started at the first primary."""
    first = cluster.primary
    done = subprocess.run(
        ["redis-cli", "-c", "-h", first.host, "-p", str(first.port), "--no-raw"],
        input="\n".join(lines) + "\n",
        env={**os.environ, "REDISCLI_AUTH": first.login.password},
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    return done.stdout.removesuffix("\n")


@pytest.mark.skipif(not shutil.which("redis-cli"), reason="compares with redis-cli")
def test_redirections_are_followed_and_shown_as_by_redis_cli(shell, cluster):
    """MOVED is followed, said in redis-cli's words, and the next command starts where it led."""
    lines = ["SET a 1", "GET a", "SET b 2", "GET {b}x", "GET a", "CLUSTER KEYSLOT a"]
    lines += ["MULTI", "SET {a}1 1", "INCR {a}1", "EXEC", "DEL a b {a}1", "DEL a", "DEL b"]
    shown = Cells(shell)("%%redis --errors\n" + "\n".join(lines))
    replies = "\n".join(line for line in shown.split("\n") if not line.startswith("> "))
    assert replies == as_redis_cli(cluster, lines)
    assert shown.startswith("> SET a 1\n-> Redirected to slot [15495] located at 127.0.0.1:")


def test_on_a_named_node_nothing_is_followed(shell, cluster):
    """With --on, MOVED is an error like any other."""
    wrong = next(node for node in cluster.nodes if node is not owner_of(cluster, "a"))
    _, raised = Cells(shell).failing(f"%redis --on {wrong.name} GET a")
    assert raised.startswith("GET a: MOVED 15495 ")


def test_a_transaction_ends_where_a_redirection_leads_away(shell, cluster):
    """As in redis-cli, a MULTI that a redirection left open does not queue later commands."""
    cell = Cells(shell)
    cell("%redis DEL b")
    shown = cell("%%redis --errors\nMULTI\nSET a 1\nEXEC\nDEL b\nPING")
    assert "EXEC without MULTI" in shown and shown.endswith("> PING\nPONG")


def test_ask_is_followed_for_one_command(shell, cluster):
    """While a slot migrates, a missing key is looked for at its new home, with ASKING."""
    cell, slot = Cells(shell), cluster.client().keyslot("ask")
    old = owner_of(cluster, "ask")
    new = next(node for node in cluster.primaries if node is not old)
    ids = {node: node.ask("CLUSTER", "MYID") for node in (old, new)}
    new.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[old])
    old.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[new])
    try:
        shown = cell("%redis SET ask me")
        assert shown.endswith(f"-> Redirected to slot [{slot}] located at 127.0.0.1:{new.port}\nOK")
        assert cell("%redis GET ask").endswith('\n"me"')
        assert cell("%redis DEL ask").endswith("\n(integer) 1")
    finally:
        for node in (old, new):
            node.ask("CLUSTER", "SETSLOT", slot, "STABLE")


def owner_of(cluster, key):
    port = cluster.client().get_node_from_key(key).port
    return next(node for node in cluster.nodes if node.port == port)


def test_a_failed_over_cluster_is_served_on(shell, cluster):
    """If the node that was redirected to is dead, the next command starts at a living primary."""
    cell = Cells(shell)
    cell("%redis SET a 1")
    owner = owner_of(cluster, "a")
    cluster.kill(owner)
    try:
        assert "Could not connect" in cell.failing("%redis GET a")[1]
        cluster.wait_healthy()
        assert cell("%redis GET a").endswith('"1"')
    finally:
        cluster.restart(owner)
        cluster.wait_healthy()


# completion


def test_commands_and_subcommands_are_completed(cell):
    """Tab completes names, in the case of what was typed, in lines and in cells."""
    complete = cell.shell.complete
    assert complete("", "%redis CONF", 11)[1] == ["CONFIG"]
    assert complete("", "%redis CONFIG RESE", 18)[1] == ["RESETSTAT"]
    assert complete("", "%redis config rese", 18)[1] == ["resetstat"]
    assert complete("", "%redis --on redis-1 --raw CONF", 30)[1] == ["CONFIG"]
    assert "GET" not in complete("", "%redis CONFIG GET G", 19)[1]
    assert "CONFIG" not in complete("", "CONF", 4)[1]
    assert "CONFIG" not in complete("", "%%redis CONF", 12)[1]


def test_completion_never_waits_for_a_server_that_does_not_answer(shell):
    """A paused or dead server costs a fraction of a second, and gives no names."""
    with rl.standalone() as lab:
        for fault in (lab.pause, lab.kill):
            fault("redis-1")
            started = time.monotonic()
            assert shell.complete("", "%redis CONF", 11)[1] == []
            assert time.monotonic() - started < 1
        lab.restart("redis-1")
        assert shell.complete("", "%redis CONF", 11)[1] == ["CONFIG"]


def test_loading_twice_completes_once(shell):
    """%reload_ext replaces the completions."""
    before = len(shell.Completer.custom_matchers)
    shell.run_line_magic("reload_ext", "redis_lab")
    assert len(shell.Completer.custom_matchers) == before


def test_a_kernel_completes_and_stops_at_the_first_error():
    """In a Jupyter kernel: Tab works in cells, and a failing command is an error of one line."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    codes = ["%load_ext redis_lab\nimport redis_lab as rl\nlab = rl.standalone()", KERNEL]
    cells = [nbformat.v4.new_code_cell(code) for code in [*codes, "%redis NOSUCH", "lab.stop()"]]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(notebook, timeout=60)
    with pytest.raises(nbclient.exceptions.CellExecutionError) as stop:
        client.execute()
    assert stop.value.ename == "CommandFailed"
    expected = (
        "['%redis CONFIG'] ['%%redis\\nSET a 1\\nCONFIG GET'] ['%redis --on redis-1 exists']\n"
    )
    assert "".join(output["text"] for output in cells[1].outputs) == expected
    shown, error = cells[2].outputs
    assert shown.data["text/plain"].startswith("> NOSUCH\n(error) ERR unknown command")
    assert len(error.traceback) == 1 and error.traceback[0].startswith("CommandFailed: NOSUCH: ERR")
