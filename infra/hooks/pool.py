"""The parameter `pool` as the hooks need it: the VM size and how many nodes of each kind there may be."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from infra.hooks.azure import HookError

DEFAULT_VM_SIZE = "Standard_NC4as_T4_v3"
DEFAULT_SPOT_NODES = 4
DEFAULT_DEDICATED_NODES = 2


@dataclass(frozen=True, kw_only=True)
class Pool:
    """What `IMPASTO_POOL` decides, with the defaults of batch.bicep."""

    vm_size: str
    spot_nodes: int
    dedicated_nodes: int
    encryption_at_host: bool


def pool_of(environ: Mapping[str, str]) -> Pool:
    """Return the pool of an azd environment. Raises `HookError` if `IMPASTO_POOL` is not a JSON object."""
    try:
        options = json.loads(environ.get("IMPASTO_POOL") or "{}")
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise HookError(f"IMPASTO_POOL is not a JSON object: {environ['IMPASTO_POOL']}")
    return Pool(
        vm_size=str(options.get("vmSize", DEFAULT_VM_SIZE)),
        spot_nodes=_count(options, "maxSpotNodes", DEFAULT_SPOT_NODES),
        dedicated_nodes=_count(options, "maxDedicatedNodes", DEFAULT_DEDICATED_NODES),
        encryption_at_host=bool(options.get("encryptionAtHost")),
    )


def _count(options: Mapping[str, object], name: str, default: int) -> int:
    count = options.get(name, default)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise HookError(f"IMPASTO_POOL: {name} is {count!r}. Give a number of nodes from 0.")
    return count
