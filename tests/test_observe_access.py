"""observe.attempts and observe.permitted say what users may do, for real and by DRYRUN."""

import pytest
import redis

import redis_lab as rl
from redis_lab.observe import attempts, permitted


@pytest.fixture(scope="module")
def lab():
    with rl.standalone() as lab:
        yield lab


@pytest.fixture
def r(lab):
    lab.flush()
    return lab.client()


def user(lab, r, name, *rules):
    r.execute_command("ACL SETUSER", name, "reset", "on", ">secret", *rules)
    return lab.client(username=name, password="secret")


def test_what_passes_and_what_is_denied(lab, r):
    """A denied command, key and channel are refused; an error of another kind has passed."""
    r.set("board:EWR", "C120")
    one = user(lab, r, "one", "~board:*", "+get", "+hget", "+publish")
    tried = ["GET board:EWR", "GET payment:1", "HGET board:EWR gate", "DBSIZE", "PUBLISH news hi"]
    table = attempts(r, {"one": one}, tried)
    assert list(table.columns) == ["user", "command", "passed", "dryrun", "said"]
    assert table.passed.tolist() == [True, False, True, False, False]
    assert table.dryrun.tolist() == table.passed.tolist()
    assert table.said[0] == "C120" and "wrong kind" in table.said[2]


def test_dryrun_does_not_see_into_a_script(lab, r):
    """A refusal inside a script, or of SORT's patterns, is one, whatever DRYRUN says."""
    r.rpush("board:list", 1)
    all_of = user(lab, r, "all_of", "~board:*", "+@all")
    inside = "EVAL \"return redis.call('get','payment:1')\" 0"
    table = attempts(r, {"all_of": all_of}, [inside, "SORT board:list BY payment:*"])
    assert not table.passed.any() and table.dryrun.all()


def test_a_login_that_is_refused_is_a_refusal(lab, r):
    """A user that is off can do nothing; lists of words are commands as well."""
    off = user(lab, r, "off", "allkeys", "allcommands", "off")
    table = attempts(r, {"off": off}, [["GET", "a key"]])
    assert not table.passed[0] and table.command[0] == "GET 'a key'"


@pytest.mark.parametrize("decode", [True, False])
def test_permitted_counts_commands_and_subcommands(lab, r, decode):
    """A command's name, or a subcommand's with its own; keys and arguments play no part."""
    user(lab, r, "few", "+get", "+config|get", "+eval")
    asking = lab.client(decode_responses=decode)
    always = {"auth", "hello", "quit", "reset"}
    assert permitted(asking, "few") - always == {"get", "config|get", "eval"}
    user(lab, r, "most", "+@all", "-@dangerous")
    assert {"scan", "script|flush"} <= permitted(asking, "most")
    assert not {"keys", "config|get", "acl|setuser"} & permitted(asking, "most")


def test_nobody_is_permitted_nothing_without_a_word(r):
    """An unknown user is an error, not one who may do everything."""
    with pytest.raises(redis.ResponseError, match="not found"):
        permitted(r, "nobody-of-this-name")
