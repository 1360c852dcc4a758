"""Free ports for services that tests start."""

import random
import socket

from local_cloud.accounts import Ports


def free_port() -> int:
    """Return a free port below the ephemeral range, so that no connection takes it meanwhile."""
    for port in random.Random().sample(range(20_000, 30_000), 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def cloud_and_proxy_ports() -> tuple[Ports, Ports]:
    """Return free ports of a local cloud, and those of a storage proxy in front of its blobs and queues."""
    ports = Ports(**{name: free_port() for name in ("blob", "queue", "table", "batch", "functions")})
    return ports, Ports(blob=free_port(), queue=free_port(), table=ports.table)


def forwarded(proxy: Ports, ports: Ports) -> dict[int, int]:
    """Return which port of the proxy forwards to which of the local cloud."""
    return {proxy.blob: ports.blob, proxy.queue: ports.queue}
