"""Gate changes for every screen: nothing is missed by one that dies, or that comes late."""

NOTEBOOK = "54"
TITLE = "Every screen, also the late one"
HINTS = (
    "Who reads must not take anything away from the others, and a new screen needs the past.",
    "One stream has all changes. What differs from screen to screen is the place where it is.",
    "Keep each screen's place on the server, and write it down behind `show`, not before.",
    'A hash of places: `xrange("changes", f"({place}")` for what comes behind it, and after each '
    "`show` an `hset` of that entry's ID. The first place is `0`.",
)
WHY = (
    "Many readers, late ones, and a reader that dies: that is a log, and a place for each reader. "
    "Pub/sub beside it may wake the screens; the truth is in the stream."
)


class stub:
    """Gate changes for every screen, also for one that comes late; announcing is one trip."""

    def __init__(self, r):
        """r: the client to use."""

    def change(self, flight, gate):
        """This flight leaves from this gate."""

    def read(self, screen, show):
        """Call show(flight, gate) for each change that this screen has not shown yet, in order."""


class solution:
    def __init__(self, r):
        self.r = r

    def change(self, flight, gate):
        self.r.xadd("changes", {"flight": flight, "gate": gate})

    def read(self, screen, show):
        place = self.r.hget("places", screen) or "0"
        for entry, fields in self.r.xrange("changes", f"({place}"):
            show(fields["flight"], fields["gate"])
            self.r.hset("places", screen, entry)


class wrong_channel(solution):
    """who is not there when they come"""

    def change(self, flight, gate):
        self.r.publish("changes", f"{flight} {gate}")

    def read(self, screen, show):
        with self.r.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe("changes")
            for _ in range(3):
                message = channel.get_message(timeout=0.02)
                if message:
                    show(*message["data"].split())


class wrong_queue(solution):
    """had taken them away"""

    def change(self, flight, gate):
        self.r.rpush("changes", f"{flight} {gate}")

    def read(self, screen, show):
        while text := self.r.lindex("changes", 0):
            show(*text.split())
            self.r.lpop("changes")


class wrong_list_for_each(solution):
    """came late"""

    def change(self, flight, gate):
        self.r.rpush("screen:A", f"{flight} {gate}")
        for screen in self.r.smembers("screens") - {"A"}:
            self.r.rpush(f"screen:{screen}", f"{flight} {gate}")

    def read(self, screen, show):
        self.r.sadd("screens", screen)
        while text := self.r.lindex(f"screen:{screen}", 0):
            show(*text.split())
            self.r.lpop(f"screen:{screen}")


class wrong_latest_gates(solution):
    """changed twice"""

    def change(self, flight, gate):
        self.r.hset("gates", flight, gate)

    def read(self, screen, show):
        seen = self.r.hgetall(f"seen:{screen}")
        for flight, gate in self.r.hgetall("gates").items():
            if seen.get(flight) != gate:
                show(flight, gate)
                self.r.hset(f"seen:{screen}", flight, gate)


class wrong_place_first(solution):
    """never shown"""

    def read(self, screen, show):
        place = self.r.hget("places", screen) or "0"
        for entry, fields in self.r.xrange("changes", f"({place}"):
            self.r.hset("places", screen, entry)
            show(fields["flight"], fields["gate"])


class wrong_place_at_the_end(solution):
    """more than the one"""

    def read(self, screen, show):
        place = self.r.hget("places", screen) or "0"
        for entry, fields in self.r.xrange("changes", f"({place}"):
            show(fields["flight"], fields["gate"])
            place = entry
        self.r.hset("places", screen, place)


class wrong_place_in_memory(solution):
    """started again"""

    places: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, r):
        self.r, self.places = r, {}

    def read(self, screen, show):
        place = self.places.get(screen, "0")
        for entry, fields in self.r.xrange("changes", f"({place}"):
            show(fields["flight"], fields["gate"])
            self.places[screen] = entry


class wrong_one_group(solution):
    """had taken them away"""

    def read(self, screen, show):
        if not self.r.exists("changes") or not self.r.xinfo_groups("changes"):
            self.r.xgroup_create("changes", "screens", "0", mkstream=True)
        for place in ("0", ">"):
            reply = self.r.xreadgroup("screens", screen, {"changes": place})
            for entry, fields in reply["changes"][0] if reply else []:
                show(fields["flight"], fields["gate"])
                self.r.xack("changes", "screens", entry)


def check(trial):
    import contextlib

    import redis_lab.data
    from redis_lab.course.answers import Killed
    from redis_lab.course.gaps import Gaps, mortal

    flights = redis_lab.data.flights(limit=60).id.tolist()
    made = []

    def board(gaps=None):
        """As another process would have it."""
        return trial.call(trial.client(gaps))

    def announce(flight, gate):
        trial.ask(desk.change, flight, gate)
        made.append((flight, gate))

    def read(screen, gaps=None):
        shown = []
        trial.ask(board(gaps).read, screen, lambda flight, gate: shown.append((flight, gate)))
        return shown

    desk = board()
    announce(flights[0], "B22")
    announce(flights[1], "C71")
    shown = read("A")
    trial.require(
        shown == made,
        "a screen shows what was announced, in order",
        f"two changes were announced, then screen A read and showed {shown}"
        + (": who is not there when they come must find them later" if not shown else ""),
    )
    again = read("A")
    trial.require(
        not again,
        "and each once, also by a process that was started again",
        f"screen A was started again and showed {again}, which it had shown before",
    )
    late = read("B")
    trial.require(
        late == made,
        "a screen that comes late shows all of it",
        f"screen B came late, and of two changes it showed {late}: screen A had taken them away, "
        "or they were only for those who were there",
    )
    announce(flights[2], "A6")
    announce(flights[2], "A9")
    shown = read("A")
    trial.require(
        shown == made[2:],
        "a flight that changed twice is shown twice",
        f"{flights[2]} changed twice, to A6 and to A9, and screen A showed {shown}",
    )
    shown = read("B")
    trial.require(
        shown == made[2:],
        "on every screen",
        f"screen A had shown two changes, and screen B showed {shown} after it",
    )
    for number in range(3, 8):
        announce(flights[number], f"D{number}")
    life = mortal(1000)
    mine = []

    def dies_at_the_third(flight, gate):
        mine.append((flight, gate))
        if len(mine) == 3:
            life.die()

    with contextlib.suppress(Killed):
        trial.ask(board(life).read, "A", dies_at_the_third)
    rest = read("A")
    trial.expect(
        made[6] in rest,
        "a screen that dies while it shows a change shows it when it is back",
        f"screen A died while it showed {made[6]}; back again it showed {rest}: that change was "
        "never shown to the end",
    )
    trial.expect(
        set(mine[:2]).isdisjoint(rest),
        "and only that one twice",
        f"screen A died at its third change, and when it was back more than the one came again: "
        f"{[each for each in rest if each in mine[:2]]}",
    )
    trial.expect(
        rest[-2:] == made[-2:],
        "then those behind it",
        f"back again, screen A showed {rest}, not what comes behind",
    )
    missed = []
    for after in range(1, 13):
        life, before = mortal(after), []
        try:
            trial.ask(board(life).read, f"C{after}", lambda *change, to=before: to.append(change))
        except Killed:
            whole = before + read(f"C{after}")
            missed += [change for change in made if change not in whole]
    trial.expect(
        not missed,
        "one that dies between two trips misses nothing",
        f"screens were killed between two of their trips, and never showed {missed[:2]}",
    )
    for after in (1, 2):
        meanwhile = Gaps(lambda number=after: announce(flights[20 + number], "E1"), after)
        trial.expect(
            [*read("A", meanwhile), *read("A")].count((flights[20 + after], "E1")) <= 1
            and read("A") == [],
            "a change that comes while a screen reads is shown once",
            f"{flights[20 + after]} came while screen A read, and was shown more than once",
        )
    shown = read("late")
    trial.expect(
        shown == made,
        "the whole day is there for the last one",
        f"{len(made)} changes were announced, a new screen showed {len(shown)}",
    )
    for number in range(12):
        read(f"hall-{number}")
    with trial.cost() as cost:
        announce(flights[40], "F2")
    trial.expect(
        cost.trips <= 1,
        "announcing is one trip, however many screens there are",
        f"with thirty screens, announcing took {cost.trips} trips",
    )
    trial.expect(
        read("hall-3") == made[-1:],
        "and it reaches them",
        "a change announced then did not reach screen hall-3",
    )
