"""Leaderboard: who ranks where, how ties are broken, and that every change is whole."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_lab.observe import trace
from redis_lab.patterns.keys import text
from redis_lab.patterns.leaderboard import LARGEST, Entry, Leaderboard


@pytest.fixture(params=["earlier", "name"])
def ties(request):
    return request.param


@pytest.fixture
def board(client, ties):
    return Leaderboard(client, "game", ties=ties)


def filled(board, scores):
    for member, score in scores.items():
        board.add(member, score)
    return board


def names(entries):
    return [entry.member for entry in entries]


def assert_whole(client, name="game"):
    """Every member has one place and one turn, and no two turns are the same."""
    turns = {text(m): text(t) for m, t in client.hgetall(f"{{{name}}}:turns").items()}
    counter = int(turns.pop("", 0))
    places = {text(place) for place in client.zrange(f"{{{name}}}:earlier", 0, -1)}
    assert places == {turn + member for member, turn in turns.items()}
    assert len(set(turns.values())) == len(turns)
    assert all(int(turn, 16) <= counter for turn in turns.values())


def test_the_highest_score_ranks_first(board):
    """Ranks count from 1; scores may be negative, fractional, or set anew."""
    filled(board, {"ann": 10, "bob": -3, "cyd": 12.5, "dan": 0})
    board.add("ann", 11)
    assert board.top(3) == [Entry("cyd", 12.5, 1), Entry("ann", 11, 2), Entry("dan", 0, 3)]
    assert board.rank("bob") == Entry("bob", -3, 4)
    assert board.increment("bob", 20) == 17 and board.rank("bob") == Entry("bob", 17, 1)
    assert board.increment("eve", -0.5) == -0.5 and board.rank("eve").rank == 5


def test_an_increment_is_one_of_a_transactions_commands(board, client):
    """Queued, it happens with the rest of the caller's transaction or not at all."""
    pipe = client.pipeline(transaction=True)
    board.increment_in(pipe, "ann", 2)
    pipe.set("{game}:counted", 1)
    assert board.rank("ann") is None
    assert float(pipe.execute()[0]) == 2 and board.top(5) == [Entry("ann", 2, 1)]
    with pytest.raises(ValueError, match="by must be below 2\\^53"):
        board.increment_in(pipe, "ann", 2**53)


def test_nobody_on_an_empty_board(board):
    """Unknown members and empty boards are None or empty lists, and leave no keys."""
    assert board.rank("ann") is None
    assert board.around("ann", 3) == board.top(5) == board.page(2, 5) == []
    assert (board.remove("ann"), board.trim(0)) == (False, 0)
    assert list(board.client.scan_iter()) == []


def test_who_reached_a_score_first_ranks_first(client):
    """Ties "earlier": whatever the names, by the time at which the present score was reached."""
    board = filled(Leaderboard(client, "game"), {"zoe": 5, "ann": 5, "mia": 3})
    board.increment("mia", 2)
    assert names(board.top(9)) == ["zoe", "ann", "mia"]
    board.increment("zoe", 1)
    board.increment("zoe", -1)
    assert names(board.top(9)) == ["ann", "mia", "zoe"], "left the score, came back last"


def test_setting_the_same_score_again_keeps_the_place(client):
    """A score that does not change is not reached anew."""
    board = filled(Leaderboard(client, "game"), {"zoe": 0, "ann": 0.1, "mia": 0.1, "eva": 0})
    for _ in range(2):
        filled(board, {"ann": 0.1, "zoe": -0.0, "eva": 0})
        board.increment("ann", 0)
    assert names(board.top(9)) == ["ann", "mia", "zoe", "eva"]
    assert_whole(client)


def test_names_break_ties_where_asked(client):
    """Ties "name": by the UTF-8 bytes of the name, whoever came first."""
    board = filled(Leaderboard(client, "game", ties="name"), {"zoe": 5, "éva": 5, "Ann": 5, "a": 6})
    assert names(board.top(9)) == ["a", "Ann", "zoe", "éva"]


def test_neighbours_end_where_the_board_ends(board):
    """Up to n on each side: none are made up at the edges, none shifted from the other side."""
    filled(board, {f"m{n}": 100 - n for n in range(1, 8)})
    assert names(board.around("m1", 2)) == ["m1", "m2", "m3"]
    assert names(board.around("m2", 2)) == ["m1", "m2", "m3", "m4"]
    assert names(board.around("m4", 2)) == ["m2", "m3", "m4", "m5", "m6"]
    assert board.around("m7", 1) == [Entry("m6", 94, 6), Entry("m7", 93, 7)]
    assert names(board.around("m7", 99)) == names(board.top(9))
    assert board.around("m3", 0) == [board.rank("m3")]


def test_pages_tile_the_board(board):
    """Page 1 is the first; the last may be short; beyond it, pages are empty."""
    filled(board, {f"m{n}": 100 - n for n in range(1, 8)})
    pages = [board.page(number, 3) for number in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert list(itertools.chain(*pages)) == board.top(100)
    assert [entry.rank for entry in pages[1]] == [4, 5, 6]


def test_trim_keeps_the_best(board):
    """The rest is gone from every key, also when it takes several steps; 0 leaves no key."""
    filled(board, {f"m{n}": n for n in range(2100)})
    assert board.trim(3) == 2097
    assert names(board.top(9)) == ["m2099", "m2098", "m2097"]
    assert (board.trim(3), board.rank("m5")) == (0, None)
    if board.ties == "earlier":
        assert_whole(board.client)
    assert board.trim(0) == 3
    assert list(board.client.scan_iter()) == []


def test_a_removed_member_starts_anew(board):
    """remove() takes the member from every key; back again, it is the latest."""
    filled(board, {"ann": 5, "bob": 5})
    assert (board.remove("ann"), board.remove("ann"), board.rank("ann")) == (True, False, None)
    board.add("ann", 5)
    assert names(board.top(5)) == (["bob", "ann"] if board.ties == "earlier" else ["ann", "bob"])
    assert board.remove("ann") and board.remove("bob")
    assert list(board.client.scan_iter()) == []


def test_whole_numbers_are_exact_below_two_to_the_53(board):
    """Neighbouring whole scores stay apart, on both sides; from 2^53 on they would not: error."""
    scores = (LARGEST, LARGEST - 1, LARGEST - 2, 1 - LARGEST, -LARGEST)
    for score in scores:
        board.add(str(score), score)
    assert [(entry.member, entry.score) for entry in board.top(9)] == [(str(s), s) for s in scores]
    assert board.increment(str(LARGEST - 1), 1) == LARGEST
    for by in (1, LARGEST):
        with pytest.raises(ValueError, match=r"by .* 2\^53"):
            board.increment(str(LARGEST), by)
    with pytest.raises(ValueError, match=r"score .* 2\^53"):
        board.add("ann", 2**53)
    assert board.rank("ann") is None and board.rank(str(LARGEST)).score == LARGEST


def test_fractions_come_back_as_they_went_in(board):
    """A float is stored to the last bit; increments are the additions of doubles."""
    for score in (0.1, 1 / 3, 5e-324, 1e-17, 123456.789012345):
        board.add("ann", score)
        assert board.rank("ann").score == score
    board.add("ann", 0.1)
    assert board.increment("ann", 0.2) == 0.1 + 0.2


def test_a_name_that_looks_like_a_place_is_its_own_member(client):
    """Fault: keys that collide by name. A member may be called what another's entry is called."""
    board = filled(Leaderboard(client, "game"), {"ann": 5})
    place = client.zrange("{game}:earlier", 0, 0)[0]
    assert (board.rank(place), board.remove(place), board.around(place, 1)) == (None, False, [])
    assert board.increment(place, 1) == 1
    assert names(board.top(9)) == ["ann", place]
    assert_whole(client)


def test_boards_share_nothing(client):
    """Names with braces, colons, spaces and any script are boards of their own; so is each tie."""
    labels = ["a", "{a}", "a:b", "a b", "%7Ba%7D", "ä", "a:earlier"]
    for ties, (score, label) in itertools.product(("earlier", "name"), enumerate(labels)):
        Leaderboard(client, label, ties=ties).add(f"{label} {ties}", score)
    for ties, (score, label) in itertools.product(("earlier", "name"), enumerate(labels)):
        board = Leaderboard(client, label, ties=ties)
        assert board.top(9) == [Entry(f"{label} {ties}", score, 1)]


def test_a_verb_is_one_round_trip(board):
    """Changes and questions alike; trim, one for each thousand."""
    filled(board, {"ann": 1, "bob": 2})
    verbs = (
        lambda: board.add("ann", 3),
        lambda: board.increment("ann", 3),
        lambda: board.top(2),
        lambda: board.page(1, 2),
        lambda: board.rank("bob"),
        lambda: board.around("bob", 2),
        lambda: board.trim(2),
        lambda: board.remove("bob"),
    )
    for verb in verbs[-2:]:
        verb()  # the server learns the scripts
    board.add("bob", 2)
    with trace(board.client) as t:
        for verb in verbs:
            verb()
    assert (t.trips, t.commands) == (len(verbs), len(verbs))


MEMBERS = st.sampled_from(["a", "b", "c", "dé", "{e}", "f g", "0", "00000000000"])
SCORES = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([0.5, -0.0, 0.1, LARGEST, LARGEST - 1, -LARGEST]),
    st.floats(-1e15, 1e15),
)
STEPS = st.one_of(
    st.tuples(st.just("add"), MEMBERS, SCORES),
    st.tuples(st.just("increment"), MEMBERS, SCORES),
    st.tuples(st.just("remove"), MEMBERS),
    st.tuples(st.just("trim"), st.integers(0, 6)),
)


class Model:
    """The same board in Python: member to (score, turn)."""

    def __init__(self, ties):
        self.ties, self.members, self.turn = ties, {}, 0

    def ranked(self):
        def place(member):
            score, turn = self.members[member]
            return -score, turn if self.ties == "earlier" else member.encode()

        ranked = sorted(self.members, key=place)
        return [Entry(m, self.members[m][0], rank) for rank, m in enumerate(ranked, 1)]

    def add(self, member, score):
        if abs(score) > LARGEST:
            return ValueError
        if member not in self.members or self.members[member][0] != score:
            self.turn += 1
            self.members[member] = (float(score), self.turn)
        return None

    def increment(self, member, by):
        score = self.members.get(member, (0.0,))[0] + by
        return self.add(member, score) or score

    def remove(self, member):
        return self.members.pop(member, None) is not None

    def trim(self, n):
        surplus = self.ranked()[n:]
        for entry in surplus:
            del self.members[entry.member]
        return len(surplus)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, max_size=25), size=st.integers(1, 4))
def test_any_history_gives_the_models_board(r, ties, steps, size):
    """After any changes the board, each rank, each page and all neighbours are the model's."""
    r.flushall()
    board, model = Leaderboard(r, "game", ties=ties), Model(ties)
    for verb, *arguments in steps:
        try:
            found = getattr(board, verb)(*arguments)
        except ValueError:
            found = ValueError
        assert found == getattr(model, verb)(*arguments)
    ranked = model.ranked()
    assert board.top(20) == ranked
    for at, entry in enumerate(ranked):
        assert board.rank(entry.member) == entry
        assert board.around(entry.member, size) == ranked[max(0, at - size) : at + size + 1]
    for number in range(1, 10):
        assert board.page(number, size) == ranked[(number - 1) * size : number * size]
    assert_whole(r)


def test_any_client_reads_and_writes_the_same(any_client, ties):
    """Replies decoded or not, protocol 2 or 3: same types, same values."""
    board = filled(Leaderboard(any_client, "spïel", ties=ties), {"žoë": 2, "ann": 1.5})
    assert board.increment("ann", 0.25) == 1.75
    assert board.top(5) == board.around("ann", 1) == [Entry("žoë", 2.0, 1), Entry("ann", 1.75, 2)]
    assert isinstance(board.rank("žoë").member, str) and isinstance(board.rank("žoë").score, float)
    assert (board.rank("bob"), board.remove("ann"), board.trim(0)) == (None, True, 1)


@pytest.mark.parametrize(
    ("call", "error", "argument"),
    [
        (lambda b: b.add("", 1), ValueError, "member"),
        (lambda b: b.add(7, 1), TypeError, "member"),
        (lambda b: b.add("ann", "1"), TypeError, "score"),
        (lambda b: b.add("ann", True), TypeError, "score"),
        (lambda b: b.add("ann", None), TypeError, "score"),
        (lambda b: b.add("ann", float("nan")), ValueError, "score"),
        (lambda b: b.add("ann", float("inf")), ValueError, "score"),
        (lambda b: b.add("ann", 10**300), ValueError, "score"),
        (lambda b: b.increment("ann", float("-inf")), ValueError, "by"),
        (lambda b: b.rank(""), ValueError, "member"),
        (lambda b: b.around("ann", -1), ValueError, "n must"),
        (lambda b: b.around(b"ann", 1), TypeError, "member"),
        (lambda b: b.top(0), ValueError, "n must"),
        (lambda b: b.page(0, 10), ValueError, "number"),
        (lambda b: b.page(1, 0), ValueError, "size"),
        (lambda b: b.page(1, 1.5), TypeError, "size"),
        (lambda b: b.trim(-1), ValueError, "n must"),
        (lambda b: b.remove(None), TypeError, "member"),
        (lambda b: Leaderboard(b.client, ""), ValueError, "name"),
        (lambda b: Leaderboard(b.client, 5), TypeError, "name"),
        (lambda b: Leaderboard(b.client, "game", ties="later"), ValueError, "ties"),
    ],
)
def test_bad_input_names_the_argument_and_leaves_nothing(r, call, error, argument):
    """Wrong arguments never reach the server."""
    with pytest.raises(error, match=argument):
        call(Leaderboard(r, "game"))
    assert r.dbsize() == 0
