"""What the nodes of a cluster tell each other once a second, read off the bus port of one of them.

The layout is clusterMsg in Redis's cluster_legacy.h, protocol version 1 (3.0 to 8.10). The bus asks
for no password: it is the network that has to keep strangers away.
"""

import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import Any

from redis_lab.errors import LabUnavailable

SIGNATURE = b"RCmb"
HEADER = 2256  # bytes before the gossip about other nodes
SENDER, MAP, MAP_BYTES = 40, 80, 16384 // 8
_PATIENCE = 2.0  # seconds to connect, and for each read


@dataclass(frozen=True)
class Heartbeat:
    """One PONG. sender: the node's id; raw: all its bytes; bitmap: those of its slots."""

    sender: str
    raw: bytes
    bitmap: bytes

    @property
    def slots(self) -> list[int]:
        """The slots whose bit is set: those of the sender, of a replica those of its primary."""
        return [n for n in range(len(self.bitmap) * 8) if self.bitmap[n // 8] >> n % 8 & 1]


def heartbeat(node: Any) -> Heartbeat:
    """Ask a node's bus port, as another node would, and give its answer; changes nothing.

    node: of a cluster. Raises ValueError for one without a bus port, LabUnavailable where this
    machine can't reach it (Docker Desktop keeps the bus inside its own network).
    """
    if not node.bus_port:
        raise ValueError(f"node: {node.name} has no bus port")
    ping = struct.pack(">4sIHHHH", SIGNATURE, HEADER, 1, 0, 0, 0).ljust(HEADER, b"\0")
    for host in dict.fromkeys((node.internal_host, node.host)):
        with contextlib.suppress(OSError):
            with socket.create_connection((host, node.bus_port), timeout=_PATIENCE) as bus:
                bus.sendall(ping)
                said = _read(bus, 8)
                said += _read(bus, struct.unpack(">I", said[4:])[0] - 8)
            bitmap = said[MAP : MAP + MAP_BYTES]
            return Heartbeat(said[SENDER:MAP].decode(), said, bitmap)
    raise LabUnavailable(f"nobody answers on the bus port of {node.name}")


def _read(bus: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        if not (more := bus.recv(size - len(got))):
            raise ConnectionResetError("the bus hung up")
        got += more
    return got
