"""Many small requests at once, over a bounded number of connections, errors kept apart."""

NOTEBOOK = "25"
TITLE = "Many at once, within bounds"
HINTS = (
    "Write `async def one(r, flight)` with its two awaits first, and try it alone.",
    "`asyncio.gather` keeps the order of what it was given, whoever is done first.",
    "`asyncio.Semaphore(most)`: `async with gate:` around both questions lets `most` of them in.",
    "A ResponseError (WRONGTYPE) belongs to one flight: catch it there, and answer None.",
)
WHY = (
    "What comes in concurrently has no bound of its own: a busy minute takes all connections of a "
    "pool, and then of the server. A bound at the door turns errors into a short wait."
)
SECONDS = 20.0


def stub(connect, flights, most):
    """The seats of each flight, in order, None where unknown; at most so many connections."""


def solution(connect, flights, most):
    import asyncio

    from redis import ResponseError

    gate = asyncio.Semaphore(most)

    async def one(r, flight):
        async with gate:
            try:
                plane = await r.get(f"plane:{flight}")
                seats = await r.get(f"seats:{plane}") if plane else None
            except ResponseError:
                return None
        return int(seats) if seats else None

    async def main():
        async with connect() as r:
            return await asyncio.gather(*[one(r, flight) for flight in flights])

    return asyncio.run(main())


def wrong_all_at_once(connect, flights, most):
    """connections at the same time"""
    import asyncio

    from redis import ResponseError

    async def one(r, flight):
        try:
            plane = await r.get(f"plane:{flight}")
            seats = await r.get(f"seats:{plane}") if plane else None
        except ResponseError:
            return None
        return int(seats) if seats else None

    async def main():
        async with connect(max_connections=1000) as r:
            return await asyncio.gather(*[one(r, flight) for flight in flights])

    return asyncio.run(main())


def wrong_trusts_the_pool(connect, flights, most):
    """Too many connections"""
    import asyncio

    async def one(r, flight):
        plane = await r.get(f"plane:{flight}")
        seats = await r.get(f"seats:{plane}") if plane else None
        return int(seats) if seats else None

    async def main():
        async with connect(max_connections=most) as r:
            return await asyncio.gather(*[one(r, flight) for flight in flights])

    return asyncio.run(main())


def wrong_one_after_another(connect, flights, most):
    """one after another"""
    import asyncio

    from redis import ResponseError

    async def one(r, flight):
        try:
            plane = await r.get(f"plane:{flight}")
            seats = await r.get(f"seats:{plane}") if plane else None
        except ResponseError:
            return None
        return int(seats) if seats else None

    async def main():
        async with connect() as r:
            return [await one(r, flight) for flight in flights]

    return asyncio.run(main())


def wrong_errors_become_answers(connect, flights, most):
    """of another type"""
    import asyncio

    gate = asyncio.Semaphore(most)

    async def one(r, flight):
        async with gate:
            plane = await r.get(f"plane:{flight}")
            seats = await r.get(f"seats:{plane}") if plane else None
        return int(seats) if seats else None

    async def main():
        async with connect() as r:
            todo = [one(r, flight) for flight in flights]
            return await asyncio.gather(*todo, return_exceptions=True)

    return asyncio.run(main())


def wrong_in_order_of_arrival(connect, flights, most):
    """another flight"""
    import asyncio

    from redis import ResponseError

    gate = asyncio.Semaphore(most)
    found = []

    async def one(r, flight):
        async with gate:
            try:
                plane = await r.get(f"plane:{flight}")
                seats = await r.get(f"seats:{plane}") if plane else None
            except ResponseError:
                seats = None
        found.append(int(seats) if seats else None)

    async def main():
        async with connect() as r:
            await asyncio.gather(*[one(r, flight) for flight in flights])

    asyncio.run(main())
    return found


def check(trial):
    import redis_lab.data

    flights = redis_lab.data.flights(limit=400)
    planes = redis_lab.data.planes().set_index("tailnum").seats.to_dict()
    known = dict(zip(flights.id, flights.tailnum, strict=True))
    trial.r.mset({f"plane:{flight}": plane for flight, plane in known.items() if plane == plane})
    trial.r.mset({f"seats:{plane}": int(seats) for plane, seats in planes.items()})
    names = list(known)
    gone, typed = names[50::50], names[25]
    trial.r.delete(*[f"plane:{flight}" for flight in gone], f"plane:{typed}")
    trial.r.rpush(f"plane:{typed}", "N14228")
    right = {flight: planes.get(plane) for flight, plane in known.items()}
    right = {
        flight: int(seats) if seats == seats and seats else None for flight, seats in right.items()
    }
    right |= dict.fromkeys([*gone, typed])
    clients, closed, most = [], [], 8

    def connect(**options):
        # Who opens hundreds of connections is to be told that, not that the machine was busy.
        patient = {"socket_timeout": 15.0, "socket_connect_timeout": 15.0}
        client = trial.lab.async_client(**{"client_name": "answer", **patient, **options})
        close = client.aclose

        async def aclose(*args, **kwargs):
            closed.append(client)
            await close(*args, **kwargs)

        client.aclose = aclose
        clients.append(client)
        return client

    def received():
        return trial.r.info("stats")["total_connections_received"]

    before = received()
    with trial.cost() as cost:
        found = trial.call(connect, names, most)
    opened = received() - before
    trial.require(
        isinstance(found, list | tuple) and len(found) == len(names),
        "a number for each flight",
        f"for {len(names)} flights it answered {found!r:.100}",
    )
    place = names.index(typed)
    trial.expect(
        found[place] is None,
        "None where a key is of another type",
        f"plane:{typed} is a list, of another type, and the answer has {found[place]!r:.80}",
    )
    told = [found[names.index(flight)] for flight in gone]
    other = next((at for at, each in enumerate(told) if each is not None), 0)
    trial.expect(
        all(each is None for each in told),
        "None where a key is missing",
        f"plane:{gone[other]} is missing, and in its place stands {told[other]!r:.80}",
    )
    wanted = list(right.values())

    def misplaced(at):
        said = f"{names[at]} has {wanted[at]!r} seats, and in its place stands {found[at]!r:.60}"
        if found[at] == str(wanted[at]):
            return f"{said}: a number is wanted, and GET answers text"
        if isinstance(found[at], int):
            said += ", the number of another flight?"
        return f"{said} ({len(off)} such places)"

    off = [
        at
        for at, seats in enumerate(found)
        if seats != wanted[at] and names[at] not in (typed, *gone)
    ]
    off.sort(key=lambda at: not isinstance(found[at], int))  # the worst first
    trial.expect(
        not off,
        "each flight has its own seats",
        misplaced(off[0]) if off else "",
    )
    trial.expect(
        cost.commands["get"] >= len(names),
        "by GETs of their own",
        f"the server counted {cost.commands['get']} GETs for {len(names)} flights: these are "
        "requests of different people",
    )
    trial.expect(
        opened <= most,
        f"over {most} connections at most",
        f"it opened {opened} connections at the same time, or one after the other; {most} were "
        "allowed",
    )
    if cost.commands["get"] >= len(names):
        trial.expect(
            opened > most // 2,
            "and concurrently",
            f"{opened} connection for {len(names)} flights: they were served one after another",
        )
    trial.expect(
        {id(client) for client in clients} == {id(client) for client in closed},
        "and the client is closed",
        "it left its client open: async with connect() as r, or await r.aclose()",
    )
