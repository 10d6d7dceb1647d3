"""Sell seats under WATCH: one to a buyer, however often he asks, and patience has an end."""

NOTEBOOK = "21"
TITLE = "Fifty seats, and an end to patience"
HINTS = (
    "Two questions decide: are there seats, and has this buyer one already? Both under the WATCH.",
    "`for attempt in range(tries)`: watch, look, `multi()`, sell, `execute()`.",
    "Leave the last WatchError to the caller: `None` would say that the flight is sold out.",
    "`DECR` and `HSET` belong into one MULTI; one watched key is enough if every sale writes it.",
)
WHY = (
    "A loop without an end turns a busy key into an outage: each caller keeps a connection and "
    "sends more. And whoever got no reply will ask again, so a sale must know its buyer."
)


def stub(r, flight, buyer, tries):
    """The buyer's seat, or None if sold out; WatchError after so many attempts were disturbed."""


def solution(r, flight, buyer, tries):
    from redis import WatchError

    seats, sold = f"seats:{flight}", f"sold:{flight}"
    with r.pipeline() as pipe:
        for _ in range(tries):
            pipe.watch(seats)
            free, seat = int(pipe.get(seats) or 0), pipe.hget(sold, buyer)
            if seat or free < 1:
                return int(seat) if seat else None
            pipe.multi()
            pipe.decr(seats).hset(sold, buyer, free)
            try:
                pipe.execute()
                return free
            except WatchError:
                continue
    raise WatchError(f"{tries} attempts were disturbed")


def wrong_without_end(r, flight, buyer, tries):
    """did not stop after 4"""
    from redis import WatchError

    seats, sold = f"seats:{flight}", f"sold:{flight}"
    with r.pipeline() as pipe:
        while True:
            pipe.watch(seats)
            free, seat = int(pipe.get(seats) or 0), pipe.hget(sold, buyer)
            if seat or free < 1:
                return int(seat) if seat else None
            pipe.multi()
            pipe.decr(seats).hset(sold, buyer, free)
            try:
                pipe.execute()
                return free
            except WatchError:
                continue


def wrong_none_when_tired(r, flight, buyer, tries):
    """None means sold out"""
    from redis import WatchError

    seats, sold = f"seats:{flight}", f"sold:{flight}"
    with r.pipeline() as pipe:
        for _ in range(tries):
            pipe.watch(seats)
            free, seat = int(pipe.get(seats) or 0), pipe.hget(sold, buyer)
            if seat or free < 1:
                return int(seat) if seat else None
            pipe.multi()
            pipe.decr(seats).hset(sold, buyer, free)
            try:
                pipe.execute()
                return free
            except WatchError:
                continue
    return None


def wrong_second_seat(r, flight, buyer, tries):
    """a second seat"""
    from redis import WatchError

    seats = f"seats:{flight}"
    with r.pipeline() as pipe:
        for _ in range(tries):
            pipe.watch(seats)
            free = int(pipe.get(seats) or 0)
            if free < 1:
                return None
            pipe.multi()
            pipe.decr(seats).hset(f"sold:{flight}", buyer, free)
            try:
                pipe.execute()
                return free
            except WatchError:
                continue
    raise WatchError


def wrong_asks_before_it_watches(r, flight, buyer, tries):
    """pressed the button twice"""
    from redis import WatchError

    seats, sold = f"seats:{flight}", f"sold:{flight}"
    if seat := r.hget(sold, buyer):
        return int(seat)
    with r.pipeline() as pipe:
        for _ in range(tries):
            pipe.watch(seats)
            free = int(pipe.get(seats) or 0)
            if free < 1:
                return None
            pipe.multi()
            pipe.decr(seats).hset(sold, buyer, free)
            try:
                pipe.execute()
                return free
            except WatchError:
                continue
    raise WatchError


def wrong_multi_alone(r, flight, buyer, tries):
    """went to two buyers"""
    seats, sold = f"seats:{flight}", f"sold:{flight}"
    free, seat = int(r.get(seats) or 0), r.hget(sold, buyer)
    if seat or free < 1:
        return int(seat) if seat else None
    with r.pipeline() as pipe:
        pipe.decr(seats).hset(sold, buyer, free).execute()
    return free


def wrong_first_failure_ends_it(r, flight, buyer, tries):
    """disturbed once"""
    seats, sold = f"seats:{flight}", f"sold:{flight}"
    with r.pipeline() as pipe:
        pipe.watch(seats)
        free, seat = int(pipe.get(seats) or 0), pipe.hget(sold, buyer)
        if seat or free < 1:
            return int(seat) if seat else None
        pipe.multi()
        pipe.decr(seats).hset(sold, buyer, free)
        pipe.execute()
        return free


def check(trial):
    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    class Crowd(Gaps):
        """Somebody gives back a seat and takes it again before every trip, fifty times at most."""

        def before_a_trip(self):
            if 0 < self.trips <= 50:
                trial.r.incr(seats)
                trial.r.decr(seats)
            self.trips += 1

    flight = "UA1545"
    seats, sold = f"seats:{flight}", f"sold:{flight}"

    def fresh(free):
        trial.r.delete(seats, sold)
        trial.r.set(seats, free)

    def buy(number, **options):
        try:
            seat = trial.run(flight, f"buyer:{number:03}", 9, **options)
        except Refused as refusal:
            if "WatchError" not in str(refusal):
                raise
            told = "it was disturbed once, had nine tries, and gave up with WatchError"
            trial.require(False, "who is disturbed tries again", told)
        return seat

    def attempts():
        return trial.r.info("commandstats").get("cmdstat_exec", {"calls": 0})["calls"]

    def books():
        return trial.r.get(seats), trial.r.hgetall(sold)

    fresh(3)
    with trial.cost() as cost:
        told = [buy(1)]
    told += [buy(number) for number in (2, 3, 4)]
    free, tickets = books()
    trial.require(
        sorted(map(str, told)) == ["1", "2", "3", "None"] and told[3] is None,
        "three seats go to three buyers, the fourth hears None",
        f"of three seats four buyers were told {told}",
    )
    written = {f"buyer:{number:03}": str(told[number - 1]) for number in (1, 2, 3)}
    trial.require(
        free == "0" and tickets == written,
        "and so it stands in the books",
        f"{seats} is {free!r} and {sold} is {tickets}, for {written}",
    )
    scripts = [name for name in cost.commands if name.startswith(("eval", "fcall"))]
    trial.expect(not scripts, "without a script", f"it called {scripts}: those come in notebook 22")
    again = buy(2)
    trial.expect(
        again == told[1],
        "who asks again hears the same seat, also when all are sold",
        f"buyer:002 has seat {told[1]!r}, asked again, and was told {again!r}",
    )
    fresh(3)
    told = [buy(1), buy(1)]
    trial.expect(
        told[0] == told[1] and books()[0] == "2",
        "and takes no other",
        f"a buyer who asked twice got a second seat: {told}, and {seats} is {books()[0]}",
    )
    for after in range(1, 6):
        fresh(3)
        came = []
        mine = buy(1, between=lambda came=came: came.append(buy(2)), after=after)
        if not came:
            break
        trial.require(
            mine is not None and mine != came[0] and books()[0] == "1",
            "two at the same moment get two seats",
            f"seat {mine} went to two buyers" if mine == came[0] else f"{mine}, {came}: {books()}",
        )
        fresh(3)
        mine = buy(1, between=lambda came=came: came.append(buy(1)), after=after)
        trial.require(
            mine == came[-1] and books()[0] == "2",
            "one who asks twice at the same moment gets one",
            f"a buyer pressed the button twice, and was told {mine!r} and {came[-1]!r}: of 3 seats "
            f"{books()[0]} are free",
        )
    fresh(3)
    before = attempts()
    try:
        end = trial.call(trial.client(Crowd()), flight, "buyer:001", 4)
    except Refused as refusal:
        if "WatchError" not in str(refusal):
            raise
        end = "WatchError"
    tried = attempts() - before
    trial.expect(
        tried == 4,
        "four tries are four attempts",
        f"it was disturbed each time, and did not stop after 4 attempts: it made {tried}"
        if tried > 4
        else f"it was disturbed each time, was to try 4 times, and gave up after {tried}",
    )
    trial.expect(
        end == "WatchError",
        "then it raises WatchError",
        f"after 4 disturbed attempts it answered {end!r}; None means sold out, and there are seats",
    )
    fresh(10)
    told = trial.together([(flight, f"buyer:{number:03}", 500) for number in range(1, 33)])
    given = sorted(int(seat) for seat in told if seat is not None)
    trial.expect(
        given == list(range(1, 11)) and books()[0] == "0",
        "32 buyers at once fill ten seats",
        f"32 buyers at once got the seats {given} of ten; {seats} is {books()[0]}",
    )
