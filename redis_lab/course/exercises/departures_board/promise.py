"""A booking is promised when a failover can't take it back, and not before."""

NOTEBOOK = "90"
TITLE = "Promise what stays"
SHAPE = "sentinel"
CONFIG = {"appendonly": "yes"}
SECONDS = 10.0
HINTS = (
    "`board.book` returns when one server has the booking. Who tells you that a second one has it?",
    "`WAIT 1 300` counts the replicas that have all that *this connection* wrote. `board.client` "
    "may give you another connection, and after a failover another server.",
    "So write something small yourself, in the slot of the bookings, and `WAIT` in the same "
    "pipeline: what replicas have of a server, they have in order. `WAIT` has no key, so the "
    "pipeline of a Cluster sends it to any node: take the client of the node that has your key, "
    "`board.client.get_redis_connection(board.client.get_node_from_key(key))`.",
    "Between the booking and your `WAIT` the server may have been replaced by one that never heard "
    'of it. Look once more: `board.bookings.events(f"{flight}/{seat}")`.',
)
WHY = (
    "An acknowledgement of one server is a promise of one machine. The order of replication makes "
    "a small write after the booking a witness for it; that it is still there afterwards, on the "
    "server that was asked, makes it a promise of two. What could not be confirmed is told as an "
    "error, and the caller asks again with the same request."
)


def stub(board, session, flight, seat, request):
    """board.book() for Sentinel and Cluster: a booking is returned only if a replica has it.

    Else it raises a redis error. SeatTaken stays SeatTaken, and the same request the same booking.
    """


def solution(board, session, flight, seat, request):
    import redis

    booking = board.book(session, flight, seat, request)
    client, mark = board.client, f"{{{board.name}}}:mark"
    if isinstance(client, redis.RedisCluster):
        client = client.get_redis_connection(client.get_node_from_key(mark))
    copies = client.pipeline(transaction=False).set(mark, request, ex=60).wait(1, 300).execute()[1]
    if not copies:
        raise redis.ConnectionError("no replica has confirmed the booking")
    events = board.bookings.events(f"{flight}/{seat}")
    if not events or events[0].data["request"] != request:
        raise redis.ConnectionError("the booking was lost in a failover")
    return booking


def wrong_as_it_was(board, session, flight, seat, request):
    """no replica had it"""
    return board.book(session, flight, seat, request)


def wrong_counts_and_goes_on(board, session, flight, seat, request):
    """no replica had it"""
    import redis

    booking = board.book(session, flight, seat, request)
    client, mark = board.client, f"{{{board.name}}}:mark"
    if isinstance(client, redis.RedisCluster):
        client = client.get_redis_connection(client.get_node_from_key(mark))
    client.pipeline(transaction=False).set(mark, request, ex=60).wait(1, 300).execute()
    return booking


def wrong_does_not_look_again(board, session, flight, seat, request):
    """replaced in between"""
    import redis

    booking = board.book(session, flight, seat, request)
    client, mark = board.client, f"{{{board.name}}}:mark"
    if isinstance(client, redis.RedisCluster):
        client = client.get_redis_connection(client.get_node_from_key(mark))
    copies = client.pipeline(transaction=False).set(mark, request, ex=60).wait(1, 300).execute()[1]
    if not copies:
        raise redis.ConnectionError("no replica has confirmed the booking")
    return booking


def wrong_looks_before_it_waits(board, session, flight, seat, request):
    """between its look"""
    import redis

    booking = board.book(session, flight, seat, request)
    events = board.bookings.events(f"{flight}/{seat}")
    if not events or events[0].data["request"] != request:
        raise redis.ConnectionError("the booking was lost in a failover")
    client, mark = board.client, f"{{{board.name}}}:mark"
    if isinstance(client, redis.RedisCluster):
        client = client.get_redis_connection(client.get_node_from_key(mark))
    copies = client.pipeline(transaction=False).set(mark, request, ex=60).wait(1, 300).execute()[1]
    if not copies:
        raise redis.ConnectionError("no replica has confirmed the booking")
    return booking


def wrong_waits_on_any_connection(board, session, flight, seat, request):
    """replaced in between"""
    import redis

    booking = board.book(session, flight, seat, request)
    client = board.client
    if isinstance(client, redis.RedisCluster):
        client = client.get_redis_connection(client.get_node_from_key(f"{{{board.name}}}:mark"))
    if not client.wait(1, 300):
        raise redis.ConnectionError("no replica has confirmed the booking")
    return booking


def wrong_never_sells(board, session, flight, seat, request):
    """it gave no booking"""
    import redis

    board.book(session, flight, seat, request)
    raise redis.ConnectionError("who knows")


def wrong_asks_under_another_name(board, session, flight, seat, request):
    """the same request"""
    import uuid

    return solution(board, session, flight, seat, f"{request}-{uuid.uuid4()}")


def wrong_swallows_the_refusal(board, session, flight, seat, request):
    """SeatTaken"""
    from redis_lab.board import SeatTaken

    try:
        return solution(board, session, flight, seat, request)
    except SeatTaken:
        return None


def wrong_gives_nothing(board, session, flight, seat, request):
    """it gave None"""
    import redis

    try:
        return solution(board, session, flight, seat, request)
    except redis.RedisError:
        return None


def wrong_breaks_down(board, session, flight, seat, request):
    """no redis error"""
    import redis

    try:
        return solution(board, session, flight, seat, request)
    except redis.ConnectionError:
        return 1 / 0


def wrong_waits_for_ever(board, session, flight, seat, request):
    """did not come back"""
    import redis

    while True:
        try:
            return solution(board, session, flight, seat, request)
        except redis.ConnectionError:
            continue


def wrong_waits_at_any_node(board, session, flight, seat, request):
    """on a cluster"""
    import redis

    booking = board.book(session, flight, seat, request)
    mark = f"{{{board.name}}}:mark"
    if not board.client.pipeline(transaction=False).set(mark, 1, ex=60).wait(1, 300).execute()[1]:
        raise redis.ConnectionError("no replica has confirmed the booking")
    events = board.bookings.events(f"{flight}/{seat}")
    if not events or events[0].data["request"] != request:
        raise redis.ConnectionError("the booking was lost in a failover")
    return booking


FLIGHT = "UA1545"


def check(trial):
    import re
    from concurrent.futures import ThreadPoolExecutor, as_completed

    import redis

    import redis_lab as rl
    from redis_lab.board import Board
    from redis_lab.course.answers import Refused
    from redis_lab.course.game_day import AIRPORTS, GameDay
    from redis_lab.course.game_faults import deafen, replaced
    from redis_lab.lab.shapes import PEER

    lab = trial.lab

    def board_of(client, kind=Board, airport="EWR"):
        return kind(client, airport, lambda airport, day: [{"id": FLIGHT}])

    def told(board, session, seat, request):
        """What it gave, or the refusal that says what it raised."""
        try:
            return trial.call(board, session, FLIGHT, seat, request)
        except Refused as refusal:
            if "did not come back" in str(refusal):
                raise
            return refusal

    def sold(answer):
        return hasattr(answer, "request")

    def names(kind):
        return {kind.__name__}.union(*map(names, kind.__subclasses__()))

    board = board_of(trial.client())
    ann, bob = board.login("ann"), board.login("bob")
    first = told(board, ann, "1A", "r1")
    trial.require(
        sold(first),
        "with all servers up, it sells the seat",
        f"all is well, and it gave no booking: {first}",
    )
    again = told(board, ann, "1A", "r1")
    trial.require(
        again == first,
        "the same request is the same booking",
        f"the same request came again, as after a lost reply; the answer: {again}",
    )
    other = told(board, bob, "1A", "r2")
    trial.require(
        "SeatTaken" in str(other),
        "another's is SeatTaken",
        f"somebody else wanted the seat, and SeatTaken was expected; the answer: {other}",
    )
    old = lab.primary
    deafen(lab, old)
    alone = told(board, ann, "2A", "r3")
    trial.require(
        not sold(alone),
        "no replica hears of it: it raises",
        "the primary's links to its replicas were cut, no replica had it, and it was promised",
    )
    trial.require(
        isinstance(alone, Refused),
        "no replica hears of it: it raises",
        f"no replica had it, and it gave {alone}: who calls it hears of no error",
    )
    raised = re.match(r"(?:it raised )?(\w*)", str(alone))[1]
    trial.require(
        raised in names(redis.RedisError) | {"LockNotAcquired", "LockLost"},  # book()'s as well
        "no replica hears of it: it raises",
        f"no replica had it, and who calls it gets no redis error: {alone}",
    )

    class Struck(Board):
        def book(self, *args):
            booking = super().book(*args)
            lab.kill(old)
            replaced(lab, old)
            return booking

    trial.seconds = 60.0  # a failover is in it
    board = board_of(trial.client(), Struck)
    gone = told(board, board.login("ann"), "3A", "r4")
    board = board_of(trial.client())
    there = [event.data["request"] for event in board.bookings.events(f"{FLIGHT}/3A")]
    trial.require(
        there == ["r4"] or not sold(gone),
        "its server dies with it: it raises",
        "the booking was made, no replica knew of it, and the server was replaced in between: it "
        "was promised, and is nowhere",
    )
    lab.restart(old)
    lab.wait_healthy(30)
    trial.seconds = 10.0
    kept = told(board, board.login("ann"), "3A", "r4")
    trial.expect(
        getattr(kept, "request", "") == "r4",
        "asked again, it sells",
        f"the servers are whole again, the same request came again; the answer: {kept}",
    )
    old, struck = lab.primary, []

    class Late(Board):
        """Its primary, whose links are cut, is replaced right after the answer's first look."""

        def book(self, *args):
            booking = super().book(*args)
            look = self.bookings.events

            def events(*args, **kwargs):
                there = look(*args, **kwargs)
                if not struck:
                    struck.append(True)
                    lab.kill(old)
                    replaced(lab, old)
                return there

            self.bookings.events = events
            return booking

    board = board_of(trial.client(), Late)
    ann = board.login("ann")
    deafen(lab, old)
    trial.seconds = 60.0
    gone = told(board, ann, "4A", "r5")
    trial.require(
        not sold(gone),
        "what it saw before it waited, it doesn't believe",
        "no replica knew of the booking, and the server was replaced between its look at the "
        "booking and its WAIT: it was promised, and is nowhere",
    )
    if struck:
        lab.restart(old)
    for replica in lab.replicas:
        old.tell("ACL", "SETUSER", f"{PEER}{replica.name}", "on")
    lab.wait_healthy(30)
    trial.seconds = 10.0

    class Careful(Board):
        def book(self, *args):
            return trial.call(_Plain(self), *args)

    class _Plain:
        """The board as the answer gets it: its book() is the one of the package."""

        def __init__(self, board):
            self.board = board

        def __getattr__(self, name):
            return getattr(self.board, name)

        def book(self, *args):
            return Board.book(self.board, *args)

    def bill(lab):
        return GameDay(lab, Careful, seed=7, client={"socket_timeout": 1.0}).run().bill()

    with rl.cluster(config=CONFIG) as cluster:
        # Two of three primaries are alone, so one WAIT for all airports is wrong, wherever it goes.
        boards = [board_of(cluster.client(), airport=each) for each in AIRPORTS]
        places = [board.client.get_node_from_key(board.bookings.stream) for board in boards]
        alone = [node for node in cluster.primaries if node.port in [at.port for at in places[:2]]]
        for node in alone:
            deafen(cluster, node)
        for board in boards:
            routed = told(board, board.login("ann"), "1A", "r1")
            heard = board is boards[2]
            trial.require(
                sold(routed) == heard,
                "on a cluster, it asks the primary that has the booking",
                "on a cluster, links of other primaries were cut, not this airport's; the answer: "
                f"{routed}"
                if heard
                else "on a cluster, the link of this airport's primary was cut, and it promised",
            )
        for node in alone:
            for replica in cluster.replicas:
                node.tell("ACL", "SETUSER", f"{PEER}{replica.name}", "on")
        cluster.wait_healthy(30)
        pool = ThreadPoolExecutor()
        try:
            days = [pool.submit(bill, each) for each in (lab, cluster)]
            bills = {day: day.result() for day in as_completed(days)}
        finally:  # who stops the check, or a day that failed, doesn't wait for the other day
            pool.shutdown(wait=False, cancel_futures=True)
    for shape, day in zip(("sentinel", "cluster"), days, strict=True):
        counted = ["promised", "lost", "sold twice"]
        promised, lost, twice = (int(each) for each in bills[day][counted])
        trial.expect(
            promised > 50 and lost == twice == 0,
            f"five faults on a {shape}: nothing promised is lost",
            f"on a {shape}, in a game day of five faults, it promised {promised} seats (over 50 "
            f"are due): {lost} of them are lost, {twice} were promised to two",
        )
