"""Change a password while a program goes on logging in, and survive a failed deployment."""

NOTEBOOK = "67"
TITLE = "A new password without a refusal"
SECONDS = 10.0
HINTS = (
    "There is a time in which some instances have the new password and others the old one.",
    "A user may have several passwords. When must the new one be there, and when may others go?",
    "If `deploy` raises, some instances have the new word, some the old one: what may go then?",
    "`>new`, then `deploy(new)`, then `resetpass >new` in one command: whatever else was left "
    "from earlier tries goes as well.",
)
WHY = (
    "Nobody changes a password that costs an outage. With two at once it costs nothing, so it can "
    "be done every month, and on the day when it has leaked."
)


def stub(r, user, deploy):
    """Give the user a new password that nobody can guess; in the end no other one works.

    deploy(new) tells it to all instances of the program, one by one. It may raise half-way.
    """


def solution(r, user, deploy):
    new = r.acl_genpass()
    r.execute_command("ACL SETUSER", user, f">{new}")
    deploy(new)
    r.execute_command("ACL SETUSER", user, "resetpass", f">{new}")


def wrong_at_once(r, user, deploy):
    """before anybody had the new one"""
    new = r.acl_genpass()
    r.execute_command("ACL SETUSER", user, "resetpass", f">{new}")
    deploy(new)


def wrong_deploys_first(r, user, deploy):
    """who had the new one already"""
    new = r.acl_genpass()
    deploy(new)
    r.execute_command("ACL SETUSER", user, "resetpass", f">{new}")


def wrong_old_one_stays(r, user, deploy):
    """the old password still works"""
    new = r.acl_genpass()
    r.execute_command("ACL SETUSER", user, f">{new}")
    deploy(new)


def wrong_resets_the_user(r, user, deploy):
    """its rules are others"""
    new = r.acl_genpass()
    r.execute_command("ACL SETUSER", user, f">{new}")
    deploy(new)
    r.execute_command("ACL SETUSER", user, "reset", "on", f">{new}", "~*", "+@all")


def wrong_removes_in_any_case(r, user, deploy):
    """half of the instances"""
    new = r.acl_genpass()
    r.execute_command("ACL SETUSER", user, f">{new}")
    try:
        deploy(new)
    finally:
        r.execute_command("ACL SETUSER", user, "resetpass", f">{new}")


def wrong_says_nothing(r, user, deploy):
    """the caller was told nothing"""
    import contextlib

    new = r.acl_genpass()
    r.execute_command("ACL SETUSER", user, f">{new}")
    with contextlib.suppress(Exception):
        deploy(new)
        r.execute_command("ACL SETUSER", user, "resetpass", f">{new}")


def wrong_from_the_calendar(r, user, deploy):
    """a password that can be guessed"""
    import datetime

    new = f"{user}-of-the-airport-{datetime.date.today():%Y-%m}"
    r.execute_command("ACL SETUSER", user, f">{new}")
    deploy(new)
    r.execute_command("ACL SETUSER", user, "resetpass", f">{new}")


def wrong_switches_him_off(r, user, deploy):
    """switched off"""
    new = r.acl_genpass()
    r.acl_setuser(user, passwords=[f"+{new}"])
    deploy(new)
    r.execute_command("ACL SETUSER", user, "resetpass", f">{new}")


def wrong_without_a_password_meanwhile(r, user, deploy):
    """any password was good enough"""
    new = r.acl_genpass()
    r.execute_command("ACL SETUSER", user, "nopass")
    deploy(new)
    r.execute_command("ACL SETUSER", user, "resetpass", f">{new}")


def wrong_removes_then_adds(r, user, deploy):
    """between two of its commands"""
    new = r.acl_genpass()
    r.execute_command("ACL SETUSER", user, f">{new}")
    deploy(new)
    r.execute_command("ACL SETUSER", user, "resetpass")
    r.execute_command("ACL SETUSER", user, f">{new}")


def wrong_leaves_the_failed_one(r, user, deploy):
    """of the deployment that failed"""
    old = r.acl_getuser(user)["passwords"][0]
    new = r.acl_genpass()
    r.execute_command("ACL SETUSER", user, f">{new}")
    deploy(new)
    r.execute_command("ACL SETUSER", user, f"!{old}")


def wrong_counts_up(r, user, deploy):
    """a password that can be guessed"""
    new = f"a-word-for-the-{user}-{r.incr('rotations')}"
    r.execute_command("ACL SETUSER", user, f">{new}")
    deploy(new)
    r.execute_command("ACL SETUSER", user, "resetpass", f">{new}")


def wrong_from_the_clock(r, user, deploy):
    """a password that can be guessed"""
    import time

    new = f"{user}-{time.time():.6f}"
    r.execute_command("ACL SETUSER", user, f">{new}")
    deploy(new)
    r.execute_command("ACL SETUSER", user, "resetpass", f">{new}")


class Instances:
    """Six instances of a program, which log in anew at every step of a deployment."""

    def __init__(self, lab, user, word):
        self.lab, self.user, self.words = lab, user, [word] * 6
        self.fails_after, self.told, self.refusals = None, [], []
        self.open_to_all = False

    def deploy(self, new):
        self.told.append(new)
        self.open_to_all |= self.works("a word that nobody gave it")
        self.log_in("before anybody had the new one")
        for number in range(len(self.words)):
            if number == self.fails_after:
                raise RuntimeError(f"instance {number} does not answer")
            self.words[number] = new
            self.log_in("while it was handed out, of those who had the new one already")

    def log_in(self, when):
        for word in dict.fromkeys(self.words):
            self.works(word, when)

    def works(self, word, when=""):
        import redis

        try:
            with self.lab.client(username=self.user, password=word) as client:
                return client.set("desk:1", "open")
        except redis.RedisError as error:
            if when:
                self.refusals.append((when, str(error)))
            return False


def differing(one, two):
    """How many characters of two passwords stand between what they begin and what they end with."""
    unlike = [n for n, pair in enumerate(zip(one, two, strict=False)) if len(set(pair)) == 2]
    return unlike[-1] - unlike[0] + 1 if unlike else 0


def check(trial):
    from functools import partial

    from redis_lab.course.answers import Refused

    r, lab = trial.r, trial.lab
    first = "the word of the desks before"
    rules = ["reset", "on", f">{first}", "~desk:*", "&desk:*", "+@connection", "+get", "+set"]
    r.execute_command("ACL SETUSER", "desks", *rules)
    fleet, before = Instances(lab, "desks", first), r.acl_getuser("desks")

    def refused():
        when, error = fleet.refusals[0]
        return f"{len(fleet.refusals)} of its logins were refused {when}: {error}"

    trial.run("desks", fleet.deploy)
    trial.require(
        len(fleet.told) == 1 and isinstance(fleet.told[0], str) and fleet.told[0] != first,
        "it deploys a new password, once",
        f"deploy was called {len(fleet.told)} times, and no new password came",
    )
    now = r.acl_getuser("desks")
    trial.require(
        "on" in now["flags"],
        "it stays on",
        "the user was switched off: acl_setuser does so unless it is told enabled=True",
    )
    trial.require(
        not fleet.refusals,
        "no login is refused while it is deployed",
        refused() if fleet.refusals else "",
    )
    fleet.log_in("afterwards, of instances that have the new one")
    trial.require(
        not fleet.refusals,
        "nor afterwards",
        refused() if fleet.refusals else "",
    )
    trial.require(
        not fleet.works(first),
        "then the old password is refused",
        "the rotation is over, and the old password still works",
    )
    trial.expect(
        not fleet.open_to_all,
        "a stranger is refused all the time",
        "while it was deployed, any password was good enough: that is nopass",
    )
    kept = {name: before[name] for name in ("commands", "keys", "channels", "selectors")}
    found = {name: now[name] for name in kept}
    trial.expect(
        found == kept, "its rules stay", f"its rules are others now: {found}, and were {kept}"
    )
    trial.run("desks", fleet.deploy)
    trial.expect(
        min(map(len, fleet.told)) >= 16 and differing(*fleet.told) >= 10,
        "each time another one, too long to guess",
        f"two rotations gave {fleet.told[0]!r} and {fleet.told[1]!r}: a password that can be "
        "guessed; ACL GENPASS makes better ones",
    )
    for after in range(1, 5):
        logins = partial(fleet.log_in, "between two of its commands")
        trial.run("desks", fleet.deploy, between=logins, after=after)
    trial.require(
        not fleet.refusals,
        "nor between two of its commands",
        refused() if fleet.refusals else "",
    )
    fleet.fails_after, old = 3, fleet.words[0]
    try:
        trial.run("desks", fleet.deploy)
        heard = ""
    except Refused as refusal:
        heard = str(refusal)
    fleet.log_in("after a deployment that had failed")
    trial.require(
        not fleet.refusals,
        "a deployment that fails half-way locks nobody out",
        f"it failed after 3 of 6, and half of the instances can't log in: {fleet.refusals[:1]}",
    )
    trial.expect(
        "does not answer" in heard,
        "and the caller hears of it",
        f"the deployment failed, and the caller was told nothing of that: {heard or 'no error'}",
    )
    stranded, fleet.fails_after = fleet.told[-1], None
    trial.run("desks", fleet.deploy)
    fleet.log_in("after the second try")
    trial.expect(
        not fleet.refusals and not fleet.works(old),
        "the next try mends it",
        f"tried once more: {fleet.refusals[:1] or 'the old password still works'}",
    )
    trial.expect(
        not fleet.works(stranded),
        "and leaves one password",
        "tried once more, it was deployed to all; the password of the deployment that failed "
        "still works, for whoever had it",
    )
