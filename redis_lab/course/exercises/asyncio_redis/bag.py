"""Take from a list with a deadline, and lose nothing when the reply comes after it."""

NOTEBOOK = "25"
TITLE = "Give up, but not with the bag"
HINTS = (
    "Two clocks could end the wait: yours, or the server's. Which of them knows whether a bag was "
    "taken?",
    "`BLPOP` has a time limit of its own, in seconds, with fractions.",
    "Its answer is None when the time is up, else the name of the list and the bag.",
)
WHY = (
    "A time limit of your own ends the wait, not the command: the server may have popped already. "
    "A limit inside the command is judged where the list is, so there is no moment between."
)
SECONDS = 8.0


def stub(connect, belt, seconds):
    """The next bag from this list, waiting so many seconds for one; else None."""


def solution(connect, belt, seconds):
    import asyncio

    async def main():
        async with connect() as r:
            found = await r.blpop(belt, seconds)
        return found[1] if found else None

    return asyncio.run(main())


def wrong_clock_of_its_own(connect, belt, seconds):
    """neither returned nor on the belt"""
    import asyncio

    async def main():
        async with connect() as r:
            try:
                async with asyncio.timeout(seconds):
                    return (await r.blpop(belt, 0))[1]
            except TimeoutError:
                return None

    return asyncio.run(main())


def wrong_both_clocks(connect, belt, seconds):
    """neither returned nor on the belt"""
    import asyncio

    async def main():
        async with connect() as r:
            try:
                found = await asyncio.wait_for(r.blpop(belt, seconds), seconds)
            except TimeoutError:
                return None
        return found[1] if found else None

    return asyncio.run(main())


def wrong_does_not_wait(connect, belt, seconds):
    """nobody waited for it at the server"""
    import asyncio

    async def main():
        async with connect() as r:
            return await r.lpop(belt)

    return asyncio.run(main())


def wrong_other_end(connect, belt, seconds):
    """the next bag"""
    import asyncio

    async def main():
        async with connect() as r:
            found = await r.brpop(belt, seconds)
        return found[1] if found else None

    return asyncio.run(main())


def wrong_the_pair(connect, belt, seconds):
    """the bag alone"""
    import asyncio

    async def main():
        async with connect() as r:
            return await r.blpop(belt, seconds)

    return asyncio.run(main())


def check(trial):
    import threading

    from redis_lab.lab.proxy import Proxy

    belt, clients, closed = "belt:7", [], []

    def connecting(**place):
        def connect(**options):
            client = trial.lab.primary.async_client(**{"socket_timeout": 6, **place, **options})
            close = client.aclose

            async def aclose(*args, **kwargs):
                closed.append(client)
                await close(*args, **kwargs)

            client.aclose = aclose
            clients.append(client)
            return client

        return connect

    def waits():
        return trial.r.info("clients")["blocked_clients"] > 0

    def arrives(over, then):
        """Act as soon as somebody waits for the belt."""

        def watch():
            while not over.wait(0.002):
                if waits():
                    then()
                    return

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        return thread

    def meanwhile(then, connect, seconds):
        """What it answered; ends the check if nobody waited, so that nothing arrived."""
        over, arrived = threading.Event(), []
        thread = arrives(over, lambda: (arrived.append(belt), then()))
        try:
            found = trial.call(connect, belt, seconds)
        finally:
            over.set()
            thread.join()
        trial.require(
            arrived,
            "it waits at the server",
            f"the belt was empty for {seconds} s, and nobody waited for it at the server (it "
            f"answered {found!r:.40}): a command can wait, a loop that asks and asks need not be",
        )
        return found

    trial.r.rpush(belt, "bag 1", "bag 2")
    found = trial.call(connecting(), belt, 0.5)
    trial.require(
        not isinstance(found, list | tuple),
        "what comes back is the bag",
        f"it answered {found!r:.80}: the bag alone is wanted",
    )
    trial.expect(
        found == "bag 1" and trial.r.lrange(belt, 0, -1) == ["bag 2"],
        "the first on the belt, and only that",
        f"bag 1 is the next bag and bag 2 follows; it answered {found!r:.80}, and on the belt is "
        f"{trial.r.lrange(belt, 0, -1)}",
    )
    trial.r.delete(belt)
    found = meanwhile(lambda: trial.r.rpush(belt, "bag 3"), connecting(), 3)
    trial.expect(
        found == "bag 3",
        "it waits for a bag that isn't there yet",
        f"bag 3 came while it should have waited, and it answered {found!r:.80}",
    )
    trial.r.delete(belt)
    found = trial.call(connecting(), belt, 0.2)
    trial.expect(found is None, "no bag in time, None", f"the belt was empty: {found!r:.80}")
    with Proxy(trial.lab.primary) as proxy:

        def late():
            proxy.delay = 0.9  # CLIENT UNBLOCK over a new connection takes six of these
            trial.r.rpush(belt, "bag 4")

        found = meanwhile(late, connecting(host=proxy.host, port=proxy.port), 0.8)
    left = trial.r.lrange(belt, 0, -1)
    trial.expect(
        found == "bag 4" or left == ["bag 4"],
        "a bag whose answer is late is not lost",
        "a bag came in time, and its answer took longer than the time that was left: the function "
        f"returned {found!r:.40}, on the belt is {left}, so it is neither returned nor on the belt",
    )
    trial.expect(
        {id(client) for client in clients} == {id(client) for client in closed},
        "and the client is closed",
        "it left its client open: async with connect() as r, or await r.aclose()",
    )
