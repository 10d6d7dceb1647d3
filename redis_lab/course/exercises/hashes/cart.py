"""A shopping cart: counts by item in one hash, which goes half an hour after the last change."""

NOTEBOOK = "04"
TITLE = "A cart for the flight"
HINTS = (
    "One hash a passenger: the field is the item, the value says how many.",
    "`HINCRBY` adds and tells in one command, whoever else adds meanwhile.",
    "A change and the new time to live go in one `r.pipeline()`; looking changes nothing.",
    "Dropping is `HDEL`; its reply says whether there was such a field. Values come back as text.",
)
WHY = (
    "Carts, baskets, seat maps, votes: many small counters that live and die together. Two tabs, "
    "or a request sent twice, add up rather than overwrite."
)


class stub:
    """A passenger's cart, gone 30 minutes after its last change; each call is one round trip."""

    def __init__(self, r, passenger):
        """r: the client to use; every object of one passenger is the same cart."""

    def add(self, item, count=1):
        """So many more of an item; how many there are now."""

    def drop(self, item):
        """None of this item any more; True if there was one."""

    def items(self):
        """What is in the cart, as {item: count}. Looking is no change."""


class solution:
    def __init__(self, r, passenger):
        self.r, self.key = r, f"cart:{passenger}"

    def add(self, item, count=1):
        pipe = self.r.pipeline().hincrby(self.key, item, count)
        return pipe.expire(self.key, 1800).execute()[0]

    def drop(self, item):
        pipe = self.r.pipeline().hdel(self.key, item)
        return bool(pipe.expire(self.key, 1800).execute()[0])

    def items(self):
        return {item: int(count) for item, count in self.r.hgetall(self.key).items()}


class wrong_one_json(solution):
    """another tab"""

    def add(self, item, count=1):
        import json

        cart = json.loads(self.r.get(self.key) or "{}")
        cart[item] = cart.get(item, 0) + count
        self.r.set(self.key, json.dumps(cart), ex=1800)
        return cart[item]

    def drop(self, item):
        import json

        cart = json.loads(self.r.get(self.key) or "{}")
        there = cart.pop(item, None)
        self.r.set(self.key, json.dumps(cart), ex=1800)
        return there is not None

    def items(self):
        import json

        return json.loads(self.r.get(self.key) or "{}")


class wrong_sets_the_count(solution):
    """four were added, two and two"""

    def add(self, item, count=1):
        self.r.pipeline().hset(self.key, item, count).expire(self.key, 1800).execute()
        return count


class wrong_text(solution):
    """as text"""

    def items(self):
        return self.r.hgetall(self.key)


class wrong_zero_of_it(solution):
    """still lists"""

    def drop(self, item):
        pipe = self.r.pipeline().hset(self.key, item, 0)
        return not pipe.expire(self.key, 1800).execute()[0]


class wrong_for_ever(solution):
    """lives for ever"""

    def add(self, item, count=1):
        return self.r.hincrby(self.key, item, count)


class wrong_half_an_hour_in_all(solution):
    """from the first change"""

    def add(self, item, count=1):
        pipe = self.r.pipeline().hincrby(self.key, item, count)
        return pipe.expire(self.key, 1800, nx=True).execute()[0]


class wrong_looking_prolongs(solution):
    """looking prolonged it"""

    def items(self):
        pipe = self.r.pipeline().hgetall(self.key)
        found = pipe.expire(self.key, 1800).execute()[0]
        return {item: int(count) for item, count in found.items()}


class wrong_one_for_all(solution):
    """prolonged somebody else's"""

    def __init__(self, r, passenger):
        self.r, self.key, self.own = r, "carts", f"{passenger}:"

    def add(self, item, count=1):
        return super().add(self.own + item, count)

    def drop(self, item):
        return super().drop(self.own + item)

    def items(self):
        found, size = super().items(), len(self.own)
        return {item[size:]: n for item, n in found.items() if item.startswith(self.own)}


class wrong_keeps_it_here(solution):
    """another tab sees"""

    def __init__(self, r, passenger):
        super().__init__(r, passenger)
        self.cart = {}

    def add(self, item, count=1):
        self.cart[item] = super().add(item, count)
        return self.cart[item]

    def items(self):
        return self.cart


class wrong_two_trips(solution):
    """add took 2 trips"""

    def add(self, item, count=1):
        now = self.r.hincrby(self.key, item, count)
        self.r.expire(self.key, 1800)
        return now


def check(trial):
    from redis_lab.course.answers import Refused
    from redis_lab.course.trial import Gaps

    gaps = Gaps()
    ann = trial.call(trial.client(gaps), "ann")
    tab = trial.call(trial.client(), "ann")
    bob = trial.call(trial.client(), "bob")

    def items(cart):
        found = trial.ask(cart.items)
        if not isinstance(found, dict):
            raise Refused(f"items answered {found!r:.90}, no dict")
        return found

    def trips(method, *args):
        gaps.trips = 0
        trial.ask(method, *args)
        return gaps.trips

    def lefts():
        return [left for _, left in trial.keyspace().values()]

    def age():
        """Let the carts have 100 seconds left."""
        for key in trial.keyspace():
            trial.r.expire(key, 100)

    said = trial.ask(ann.add, "water", 2)
    trial.require(
        bool(trial.keyspace()), "what is added reaches the server", "after an add it has no key"
    )
    trial.require(said == 2, "add tells how many there are", f"add of 2 answered {said!r}")
    said = trial.ask(ann.add, "water", 2)
    trial.require(
        said == 4 and {str(n) for n in items(ann).values()} == {"4"},
        "adding adds",
        f"four were added, two and two: add answered {said!r}, items {items(ann)}",
    )
    trial.expect(
        items(ann) == {"water": 4},
        "items are numbers",
        f"items answered {items(ann)}, the count as text: in a sum it would raise, or be glued",
    )
    trial.ask(ann.add, "blanket")
    trial.expect(
        items(tab) == {**items(ann)} and len(items(tab)) == 2,
        "every tab shows the same cart",
        f"another tab sees {items(tab)}, this one {items(ann)}",
    )
    trial.ask(bob.add, "tea")
    trial.expect(
        {*items(bob)} == {"tea"} and "tea" not in items(ann),
        "each passenger has a cart",
        f"Bob added tea: his cart is {items(bob)}, Ann's {items(ann)}",
    )
    there, missing = trial.ask(ann.drop, "blanket"), trial.ask(ann.drop, "blanket")
    trial.expect(
        "blanket" not in items(ann),
        "what is dropped is gone",
        f"blanket was dropped, and the cart still lists it: {items(ann)}",
    )
    trial.expect(
        "water" in items(ann),
        "and nothing else",
        f"blanket was dropped, and water went with it: {items(ann)}",
    )
    trial.expect(
        bool(there) and not missing,
        "drop tells whether there was any",
        f"drop of a blanket answered {there!r}, and a second one {missing!r}",
    )
    lost = []
    for after in (1, 2, 3):
        gaps.trips, gaps.after, gaps.acted = 0, after, False
        name = f"soup{after}"
        gaps.act = lambda name=name: trial.ask(tab.add, name, 5)
        trial.ask(ann.add, name, 1)
        both = gaps.acted
        gaps.act = None
        if both and items(ann).get(name) != 6:
            lost.append(items(ann).get(name))
        if not both:
            break
    trial.expect(
        not lost,
        "what another tab adds at the same moment counts",
        f"one here and five there are {lost[:1]}: another tab came between your reading and your "
        "writing",
    )
    trial.require(
        None not in lefts(),
        "a cart ends by itself",
        "a key lives for ever: who never comes back leaves a cart for good",
    )
    trial.expect(
        all(1700 < left <= 1800 for left in lefts()),
        "30 minutes later",
        f"the keys have {[round(left) for left in lefts()]} s left, not 1,800",
    )
    age()
    trial.ask(ann.items)
    trial.expect(
        max(lefts()) <= 100, "looking prolongs nothing", "100 s were left, and looking prolonged it"
    )
    trial.ask(ann.add, "water")
    fresh = sum(left > 1700 for left in lefts())
    trial.require(
        fresh > 0,
        "adding begins the 30 minutes again",
        "100 s were left, and an add left it so: the cart ends 30 minutes from the first change, "
        "in the middle of shopping",
    )
    trial.expect(
        fresh < len(lefts()),
        "for this passenger alone",
        "Ann added, and prolonged somebody else's cart: Bob's is in the same key",
    )
    age()
    trial.ask(ann.drop, "water")
    trial.ask(tab.add, "coffee", 3)
    age()
    trial.ask(ann.drop, "nothing")
    trial.ask(ann.drop, "coffee")
    trial.expect(
        not items(ann) or max(lefts()) > 1700,
        "so does dropping",
        "100 s were left, and a drop left it so",
    )
    halves = "a process that dies in between leaves half of it"
    for name, count in (
        ("add", trips(ann.add, "water", 1)),
        ("drop", trips(ann.drop, "water")),
        ("items", trips(ann.items)),
    ):
        trial.expect(
            count == 1,
            f"{name} is one trip",
            f"{name} took {count} trips: {halves if count else 'it never asked the server'}",
        )
