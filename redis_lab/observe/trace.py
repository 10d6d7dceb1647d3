"""trace(client): which commands a block of code ran, in how many round trips, at what cost.

It looks from inside the client (redis_lab.observe.wire), so the traffic of other clients is never
counted. Only the server's time comes from the server's own statistics; see Trace.server_us.
"""

from collections import Counter
from collections.abc import Iterable
from html import escape
from types import SimpleNamespace
from typing import Any

import pandas as pd
import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry
from redis.utils import str_if_bytes

from redis_lab.observe.commands import Trip
from redis_lab.observe.wire import Wire, address

_PATIENCE = 3.0  # seconds for the server's own numbers: a busy machine may need one
_SHOWN = 20  # rows of the repr; frame() has them all
_COLUMNS = ["trip", "node", "command", "args", "reply", "sent"]


def trace(client: redis.Redis | redis.RedisCluster) -> "Trace":
    """Trace what a block runs through `client`: `with trace(r) as t: …`, then look at `t`.

    Every thread that uses the client (or another client on the same connection pool) is traced.
    Traces may nest and overlap; the client is unchanged afterwards. TypeError for asyncio clients.
    """
    return Trace(client)


class Trace:
    """The commands a block ran, in the order they left; totals as attributes.

    commands: commands sent. A retry is counted again; MULTI, EXEC and a Cluster client's own
        CLUSTER SLOTS and ASKING count too, for they travel. One that never left does not count,
        nor do setting up a connection (HELLO, AUTH, …) and health-check PINGs.
    trips: round trips; a pipeline is one (on a Cluster one for each node it concerns).
    sent, received: bytes of those commands and of their replies (before TLS).
    """

    def __init__(self, client: redis.Redis | redis.RedisCluster):
        if not isinstance(client, redis.Redis | redis.RedisCluster):
            raise TypeError(
                f"client: trace() needs a redis.Redis or redis.RedisCluster, not {type(client)!r}"
            )
        self._server = _ServerTime()
        self._wire = Wire(client, self._server.watch)
        self._running = False
        self._time: tuple[float | None, bool] = (None, True)

    def __enter__(self) -> "Trace":
        if self._running or self.trips:
            raise RuntimeError("a Trace is for one block: call trace(client) again")
        self._running = True
        self._server.watch_all(self._wire.pools(primaries=True))
        try:
            self._wire.open()
        except BaseException:
            self._wire.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.close()
        self._running = False
        self._time = self._server.spent_on(self._wire.trips)

    @property
    def commands(self) -> int:
        return sum(len(trip.commands) for trip in self._wire.trips)

    @property
    def trips(self) -> int:
        return len(self._wire.trips)

    @property
    def sent(self) -> int:
        return sum(trip.sent for trip in self._wire.trips)

    @property
    def received(self) -> int:
        return sum(trip.received for trip in self._wire.trips)

    @property
    def server_us(self) -> float | None:
        """Microseconds the servers spent executing these commands; None while the block runs.

        From INFO commandstats before and after, over a connection of its own: execution only, no
        network, no queueing, no time blocked (BLPOP); whole µs, so a fast command may show as 0.
        Exact when nobody else ran the same commands meanwhile; else their share by number of calls,
        and the repr says ≈. None as well when a node died, may not be asked (ACL), or was reset.
        """
        return self._time[0]

    def frame(self) -> pd.DataFrame:
        """One row a command, in order: trip (from 1), node, command, args, reply, sent (bytes)."""
        rows = [
            (number, trip.node, one.name, one.args, one.reply, one.sent)
            for number, trip in enumerate(list(self._wire.trips), 1)
            for one in trip.commands
        ]
        return pd.DataFrame(rows, columns=_COLUMNS)

    def _totals(self) -> str:
        spent, exact = self._time
        time = "server time unknown" if spent is None else f"{spent:,.0f} µs on the server"
        return (
            f"{_count(self.commands, 'command')} in {_count(self.trips, 'round trip')}: "
            f"{self.sent:,} bytes sent, {self.received:,} received, "
            + ("still running" if self._running else time if exact else f"≈ {time}")
        )

    def _table(self) -> pd.DataFrame:
        table = self.frame().drop(columns="sent")
        return (table if table.node.nunique() > 1 else table.drop(columns="node")).head(_SHOWN)

    def _more(self) -> str:
        return f"and {self.commands - _SHOWN:,} more: see frame()" if self.commands > _SHOWN else ""

    def __repr__(self) -> str:
        table = self._table().astype(str)
        wide = {name: max(len(name), table[name].str.len().max()) for name in table if len(table)}
        rows = [table.columns, *table.itertuples(index=False)] if wide else []
        lines = ("  ".join(map(str.ljust, row, wide.values())).rstrip() for row in rows)
        return "\n".join(filter(None, [self._totals(), *lines, self._more()]))

    def _repr_html_(self) -> str:
        table = self._table()
        rows = "".join(_row("td", row) for row in table.itertuples(index=False))
        return (
            f"<p><b>{self._totals()}</b></p>"
            f"<table>{_row('th', table.columns) if rows else ''}{rows}</table><p>{self._more()}</p>"
        )


def _row(tag: str, cells: Iterable[object]) -> str:
    cell = f'<{tag} style="text-align: left">'
    return f"<tr>{''.join(f'{cell}{escape(str(text))}</{tag}>' for text in cells)}</tr>"


class _ServerTime:
    """commandstats of each node before and after, over one short-tempered connection a node.

    The connection stays open in between: if it still answers, it is the same server process.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, tuple[Connection, dict[str, tuple[int, int]]] | None] = {}

    def watch_all(self, pools: list[Any]) -> None:
        """Those whose address is known before they are used, so that no first call is slowed."""
        for pool in pools:
            known = pool.connection_kwargs
            if "path" in known or {"host", "port"} <= known.keys():
                self.watch(pool, SimpleNamespace(**known))

    def watch(self, pool: Any, connection: Any) -> None:
        """`connection`: anything that has the host and port, or the path, of a connection."""
        node = address(connection)
        if node in self._nodes:
            return
        self._nodes[node] = None
        observer = _observer(pool, connection)
        try:
            self._nodes[node] = observer, _commandstats(observer)
        except (redis.RedisError, OSError):
            observer.disconnect()

    def spent_on(self, trips: list[Trip]) -> tuple[float | None, bool]:
        """Microseconds, and whether that is exact. EXEC's time includes what MULTI queued."""
        after: dict[str, dict[str, tuple[int, int]]] = {}
        for node, watched in self._nodes.items():
            if watched:
                try:
                    after[node] = _commandstats(watched[0])
                except (redis.RedisError, OSError):
                    continue
                finally:
                    watched[0].disconnect()
        ours = Counter(
            (trip.node, one.name) for trip in trips for one in trip.commands if not one.queued
        )
        spent, exact = 0.0, True
        for (node, name), calls in ours.items():
            watched = self._nodes.get(node)
            if not watched or node not in after or name == "CONFIG RESETSTAT":
                return None, True
            stat = name.lower().replace(" ", "|")
            calls_before, us_before = watched[1].get(stat, (0, 0))
            calls_after, us_after = after[node].get(stat, (0, 0))
            if calls_after < calls_before:
                return None, True
            share = min(1.0, calls / max(1, calls_after - calls_before))
            spent += share * (us_after - us_before)
            exact = exact and share == 1.0
        return spent, exact


def _observer(pool: Any, connection: Any) -> Connection:
    """A connection of our own to the same server: no retry, _PATIENCE seconds of patience."""
    kinds = (UnixDomainSocketConnection, SSLConnection, Connection)
    kind: Any = next(kind for kind in kinds if issubclass(pool.connection_class, kind))
    options = {
        name: value
        for name, value in pool.connection_kwargs.items()
        if name in ("username", "password", "credential_provider") or name.startswith("ssl_")
    }
    place = (
        {"path": connection.path}
        if kind is UnixDomainSocketConnection
        else {"host": connection.host, "port": connection.port, "socket_connect_timeout": _PATIENCE}
    )
    observer: Connection = kind(
        **place,
        **options,
        socket_timeout=_PATIENCE,
        retry=Retry(NoBackoff(), 0),
        client_name="redis-lab-trace",
    )
    return observer


def _commandstats(connection: Connection) -> dict[str, tuple[int, int]]:
    """{"get": (calls, microseconds), "config|get": …} since the server started."""
    connection.send_command("INFO", "commandstats")
    lines = str_if_bytes(connection.read_response()).splitlines()
    stats = {}
    for line in lines:
        if line.startswith("cmdstat_"):
            name, _, fields = line.removeprefix("cmdstat_").partition(":")
            values = dict(pair.split("=") for pair in fields.split(","))
            stats[name] = int(values["calls"]), int(values["usec"])
    return stats


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
