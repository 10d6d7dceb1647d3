"""Wait for messages with a deadline, flight after flight, without keeping a connection."""

NOTEBOOK = "25"
TITLE = "Leave without a trace"
HINTS = (
    "`asyncio.timeout(seconds)` cancels what stands in its block. What runs when it is cancelled?",
    "A subscription holds a connection until `aclose()`: `async with r.pubsub() as board:` calls it"
    " on every way out.",
    "`listen()` tells of the subscription too: its messages have `type` message.",
    "Catch TimeoutError outside of both blocks, and note None for the flight.",
)
WHY = (
    "Every page that somebody closes and every deadline that passes cancels a task. What it held "
    "stays held unless an `async with` or a `finally` lets go: a pool of a hundred is empty after "
    "a hundred visitors, and the server sends to all of them."
)
SECONDS = 20.0


def stub(connect, flights, seconds):
    """A dict of flight to its first message, or None: listen to each for so many seconds."""


def solution(connect, flights, seconds):
    import asyncio

    async def first(r, flight):
        try:
            async with asyncio.timeout(seconds), r.pubsub() as board:
                await board.subscribe(f"gate:{flight}")
                async for message in board.listen():
                    if message["type"] == "message":
                        return message["data"]
        except TimeoutError:
            return None

    async def main():
        async with connect() as r:
            return {flight: await first(r, flight) for flight in flights}

    return asyncio.run(main())


def wrong_keeps_the_subscription(connect, flights, seconds):
    """still in use"""
    import asyncio

    async def first(r, flight):
        board = r.pubsub()
        await board.subscribe(f"gate:{flight}")
        async for message in board.listen():
            if message["type"] == "message":
                await board.aclose()
                return message["data"]

    async def main():
        found = {}
        async with connect() as r:
            for flight in flights:
                try:
                    found[flight] = await asyncio.wait_for(first(r, flight), seconds)
                except Exception:
                    found[flight] = None
        return found

    return asyncio.run(main())


def wrong_closes_only_when_it_ends_well(connect, flights, seconds):
    """Too many connections"""
    import asyncio

    async def first(r, flight):
        board = r.pubsub()
        await board.subscribe(f"gate:{flight}")
        async for message in board.listen():
            if message["type"] == "message":
                await board.aclose()
                return message["data"]

    async def main():
        found = {}
        async with connect() as r:
            for flight in flights:
                try:
                    found[flight] = await asyncio.wait_for(first(r, flight), seconds)
                except TimeoutError:
                    found[flight] = None
        return found

    return asyncio.run(main())


def wrong_takes_the_greeting(connect, flights, seconds):
    """tells of the subscription"""
    import asyncio

    async def main():
        found = {}
        async with connect() as r:
            for flight in flights:
                async with r.pubsub() as board:
                    await board.subscribe(f"gate:{flight}")
                    message = await board.get_message(timeout=seconds)
                    found[flight] = message["data"] if message else None
        return found

    return asyncio.run(main())


def wrong_client_for_each(connect, flights, seconds):
    """a client for each flight"""
    import asyncio

    async def first(flight):
        try:
            async with asyncio.timeout(seconds), connect() as r, r.pubsub() as board:
                await board.subscribe(f"gate:{flight}")
                async for message in board.listen():
                    if message["type"] == "message":
                        return message["data"]
        except TimeoutError:
            return None

    async def main():
        return {flight: await first(flight) for flight in flights}

    return asyncio.run(main())


def check(trial):
    import threading

    flights = [f"UA{1545 + n}" for n in range(5)]
    speaks = {flights[1]: "C120", flights[4]: "A7"}
    clients, held, closed = [], [], []

    def connect():
        client = trial.lab.async_client(max_connections=2, client_name="answer")
        close = client.aclose

        async def aclose(*args, **kwargs):
            held.append(len(client.connection_pool._in_use_connections))
            closed.append(client)
            await close(*args, **kwargs)

        client.aclose = aclose
        clients.append(client)
        return client

    over = threading.Event()

    def announce():
        speaker = trial.lab.client()
        left = dict(speaks)
        while left and not over.wait(0.002):
            for flight in list(left):
                if speaker.publish(f"gate:{flight}", left[flight]):
                    del left[flight]

    speaking = threading.Thread(target=announce, daemon=True)
    speaking.start()
    try:
        found = trial.call(connect, flights, 0.8)
    finally:
        over.set()
        speaking.join()
    trial.require(
        isinstance(found, dict) and list(found) == flights,
        "an entry for each flight, in their order",
        f"for {flights} it answered {found!r:.200}",
    )
    greeted = [flight for flight in flights if found[flight] == 1]
    trial.expect(
        not greeted,
        "what counts is a message",
        f"{greeted} have 1: the first thing that is read tells of the subscription",
    )
    trial.expect(
        len(clients) == 1,
        "one client for all flights",
        f"it made {len(clients)} clients"
        + (": a client for each flight connects each time" if clients else ", so it asked nobody"),
    )
    trial.expect(
        not any(held),
        "when a flight is done its connection is free",
        f"when the client was closed, {max(held, default=0)} of its 2 connections were still in "
        "use, each with its subscription",
    )
    trial.expect(
        all(found[flight] == gate for flight, gate in speaks.items()),
        "the first message of each flight that had one",
        f"{speaks} were published, and it answered {found}",
    )
    silent = [flight for flight in flights if flight not in speaks and found[flight] is not None]
    trial.expect(not silent, "None for those that had none", f"{silent} had no message: {found}")
    trial.expect(
        {id(client) for client in clients} == {id(client) for client in closed},
        "and the client is closed",
        "it left its client open: async with connect() as r, or await r.aclose()",
    )
