"""Two queues: one whose jobs survive their consumers, one whose jobs wait for their time.

ReliableQueue promises that a job is delivered at least once, whichever consumer dies when, and that
one consumer at a time has it, as long as it works for less than `visibility`. DelayedQueue promises
that a job is popped by one consumer, not before its time by the server's clock. Neither promises
more than Redis does: what a failover or a restart without persistence loses is lost.
"""

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

from redis_lab.patterns.blocking import longest_block
from redis_lab.patterns.checks import as_json, number, seconds, whole
from redis_lab.patterns.keys import tagged, text
from redis_lab.patterns.scripting import Client, checked_client, script

LONGEST_DELAY = 100 * 365 * 86400.0
SHORTEST_ROUND = 0.25  # seconds: two commands
_PUT, _GET = script("queue_put"), script("queue_get")
_ACK, _RELEASE = script("queue_ack"), script("queue_release")
_PUT_LATER, _POP_DUE = script("queue_put_later"), script("queue_pop_due")


@dataclass(frozen=True)
class Job:
    """One delivery of a job. attempts: deliveries so far, this one included."""

    id: str
    body: Any
    attempts: int


class ReliableQueue:
    """First in, first out; a job stays in the queue until it is acknowledged.

    visibility: seconds that a consumer has for a job, by the server's clock. Then the job goes to
        the next get(), before those that wait, and the first consumer's ack() is False.
    Bodies are what JSON can say (a tuple comes back as a list), of at most max_bytes as UTF-8.
    A job that always fails is delivered for ever: look at `attempts`. All keys are in one slot;
    they are the user's data and don't expire (but for the one that wakes: 2 s), and an empty queue
    has none. A put wakes one consumer, the one that has waited longest; should that one die, the
    others look within a second. When the server's clock is set, jobs come back later by as much,
    or too early.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        *,
        visibility: float = 30.0,
        max_bytes: int = 16 * 2**20,
    ):
        self.client = checked_client(client)
        self.name = name
        self.visibility = seconds("visibility", visibility)
        self.max_bytes = whole("max_bytes", max_bytes)
        self._waiting = f"{tagged(name)}:queue:waiting"  # list of IDs
        self._taken = f"{tagged(name)}:queue:taken"  # sorted set of IDs by deadline
        self._bodies = f"{tagged(name)}:queue:bodies"  # hash: ID, body
        self._attempts = f"{tagged(name)}:queue:attempts"  # hash: ID, deliveries
        self._wake = f"{tagged(name)}:queue:wake"  # list: a word for each consumer to be woken
        self._keys = (self._waiting, self._taken, self._bodies, self._attempts, self._wake)

    def put(self, body: Any) -> str:
        """Append a job; its ID. A put that the client repeats after an error appends it once.

        Raises TypeError or ValueError for what isn't JSON, ValueTooLarge.
        """
        job_id = uuid.uuid4().hex
        _PUT(self.client, self._keys, (job_id, as_json("body", body, self.max_bytes)))
        return job_id

    def get(self, timeout: float | None = 0.0) -> Job | None:
        """The next job, ours for `visibility` seconds; None if there is none within `timeout`.

        timeout: seconds, 0.0 returns at once, None waits for ever. While no job comes, waiting
        costs two commands a second; under a socket timeout below 2 s up to eight, and below 0.5 s a
        job may be seen up to 0.25 s late. A get that the client repeats after an error may take two
        jobs: the first one comes back when its time is over.
        """
        patience = float("inf") if timeout is None else seconds("timeout", timeout, least=0)
        deadline = time.monotonic() + patience
        while True:
            reply = _GET(self.client, self._keys, (round(self.visibility * 1_000_000),))
            if isinstance(reply, list):
                return Job(text(reply[0]), json.loads(reply[1]), int(reply[2]))
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._wait(min(left, int(reply) / 1_000_000))

    def ack(self, job: Job) -> bool:
        """The job is done. False: it was no longer ours, somebody else has it or has done it.

        False as well where the client repeats after an error what had been done the first time.
        """
        return bool(_ACK(self.client, self._keys, _delivery(job)))

    def release(self, job: Job) -> bool:
        """Give the job back, behind those that wait. False: it was no longer ours; see ack()."""
        return bool(_RELEASE(self.client, self._keys, _delivery(job)))

    def size(self) -> int:
        """Jobs that are not acknowledged: those that wait and those that are being worked on."""
        return int(self.client.hlen(self._bodies))

    def __repr__(self) -> str:
        return f"<ReliableQueue {self.name!r}, visibility {self.visibility:g} s>"

    def _wait(self, longest: float) -> None:
        """Until a put or a release wakes us: one of those that wait, in the order they came."""
        block = max(0.001, min(longest, longest_block(self.client)))
        if self.client.blpop([self._wake], block) is None:
            time.sleep(max(0.0, min(longest, SHORTEST_ROUND) - block))


class DelayedQueue:
    """Jobs by the time they are due, those of one time in the order they were put.

    A popped job is gone: a consumer that dies with it takes it along, and a reply that is lost on
    its way takes all of its jobs. pop_due() then raises; but a client that repeats commands by
    itself (redis-py's default) returns the next jobs instead, without a word. So give it a client
    with retry=Retry(NoBackoff(), 0), pop few at a time, and put() into a ReliableQueue at once what
    must survive its consumer. Bodies are what JSON can say; equal ones are several jobs. The keys
    are the user's data, in one slot, and don't expire; an empty queue has none.
    """

    def __init__(self, client: Client, name: str, *, max_bytes: int = 16 * 2**20):
        self.client = checked_client(client)
        self.name = name
        self.max_bytes = whole("max_bytes", max_bytes)
        self._jobs = f"{tagged(name)}:delayed:jobs"  # sorted set of turn .. body by time
        self._turns = f"{tagged(name)}:delayed:turns"  # counts puts

    def put(self, body: Any, delay: float = 0.0) -> None:
        """A job that is due in `delay` seconds (at most a century), by the server's clock.

        A put that the client repeats after an error may be two jobs. Raises TypeError or ValueError
        for what isn't JSON, ValueError for a delay that is negative or too long, ValueTooLarge.
        """
        if not 0 <= number("delay", delay) <= LONGEST_DELAY:
            raise ValueError(f"delay must be 0 to {LONGEST_DELAY:g} s, not {delay}")
        arguments = (as_json("body", body, self.max_bytes), round(delay * 1_000_000))
        _PUT_LATER(self.client, (self._jobs, self._turns), arguments)

    def pop_due(self, count: int = 1) -> list[Any]:
        """The bodies of up to `count` jobs that are due, the earliest first."""
        keys = (self._jobs, self._turns)
        return [json.loads(body) for body in _POP_DUE(self.client, keys, (whole("count", count),))]

    def size(self) -> int:
        """Jobs that were not popped, due or not."""
        return int(self.client.zcard(self._jobs))

    def __repr__(self) -> str:
        return f"<DelayedQueue {self.name!r}>"


def _delivery(job: Job) -> tuple[str, int]:
    if not isinstance(job, Job):
        raise TypeError(f"job must be a Job, not {type(job).__name__}")
    return job.id, job.attempts
