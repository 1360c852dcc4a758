"""What Batch says of the pool, as frozen values, and what that means for a run: pure functions, no service.

A finding "stop" is one that no waiting mends: no task of ours can ever run. A "warning" may pass (capacity, quota that
is asked for), so it is told and the run waits. "unknown" names what the Batch service itself can't tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from frame_tools.contracts.base import Document

Verdict = Literal["ok", "warning", "stop", "unknown"]
PRIVATE_REGISTRIES: Final = (".azurecr.io", ".azurecr.cn", ".azurecr.us")
WITHOUT_CUDA: Final = ("_v710_", "_mi300x_", "as_v4")
"""Parts of the names of N-series sizes with AMD's GPUs."""
LOOK_AT_QUOTA: Final = (
    "az batch account show --resource-group GROUP --name ACCOUNT"
    ' --query "{spot: lowPriorityCoreQuota, families: dedicatedCoreQuotaPerVmFamily}"'
)


class Finding(Document):
    """One check: how it went, in words, and what to do."""

    check: str
    verdict: Verdict
    words: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class PoolError:
    """An error of a resize, or of an evaluation of the autoscale formula, as Batch reports it."""

    source: Literal["resize", "autoscale"]
    code: str
    message: str

    def __str__(self) -> str:
        prefix = "autoscale " if self.source == "autoscale" else ""
        return f"{prefix}{self.code}: {self.message}"

    @property
    def is_quota(self) -> bool:
        """Whether a quota is exhausted: every such code, AccountCoreQuotaReached and so on, has the same ending."""
        return self.code.casefold().endswith("quotareached")


@dataclass(frozen=True, kw_only=True)
class PoolView:
    """What we look at in a Batch pool. Words of states are in lower case."""

    pool_id: str
    state: str
    """active or deleting."""
    allocation_state: str
    """steady, resizing or stopping."""
    vm_size: str
    slots: int
    """Tasks at once on one node."""
    nodes: int
    """Dedicated and Spot ones that are there."""
    node_agent: str = ""
    takes_containers: bool = True
    images: Sequence[str] = ()
    """Images that nodes fetch when they start."""
    registries: Sequence[str] = ()
    """Servers that nodes have credentials for."""
    identities: Sequence[str] | None = None
    """Resource ids; None if Batch says nothing of it."""
    mounts: Sequence[str] = ()
    """Folders that nodes mount, below their folder of mounts."""
    errors: Sequence["PoolError"] = field(default_factory=tuple)
    """What went wrong when the pool last changed its size."""


@dataclass(frozen=True, kw_only=True)
class NodeCounts:
    """Nodes of a pool by state, those that matter here."""

    total: int = 0
    idle: int = 0
    running: int = 0
    starting: int = 0
    """Creating, starting, rebooting, or waiting for the start task."""
    unusable: int = 0
    start_task_failed: int = 0
    preempted: int = 0


@dataclass(frozen=True, kw_only=True)
class SupportedAgent:
    """A node agent that Batch supports; `ends_at` is ISO 8601, or empty."""

    node_agent: str
    ends_at: str = ""


def pool_findings(
    pool: PoolView | None, *, pool_id: str, image: str, identity: str, mounts: Sequence[str] = ()
) -> list[Finding]:
    """Return what a pool means for tasks of `image` that sign as `identity` (empty: as nobody) and read `mounts`."""
    if pool is None:
        return [
            Finding(
                check="pool",
                verdict="stop",
                words=f"The pool {pool_id!r} does not exist",
                remedy="Deploy it, or set BATCH_POOL_ID to the pool's name",
            )
        ]
    return [
        _pool(pool),
        _containers(pool),
        _image(pool, image),
        _identity(pool, identity),
        _vm_size(pool),
        *_mounts(pool, mounts),
        *(
            Finding(check="nodes", verdict="warning", words=str(error), remedy=_resize_remedy(error))
            for error in pool.errors
        ),
    ]


def node_findings(pool: PoolView, counts: NodeCounts) -> list[Finding]:
    """Return what the nodes' states mean."""
    found: list[Finding] = []
    for number, what in ((counts.unusable, "unusable"), (counts.start_task_failed, "with a failed start task")):
        if number:
            found.append(
                Finding(
                    check="nodes",
                    verdict="warning",
                    words=f"{number} of {counts.total} nodes are {what}; they cost and take no task",
                    remedy=f"az batch node list --pool-id {pool.pool_id} shows which; then az batch node reboot",
                )
            )
    words = (
        f"{counts.total} nodes: {counts.running} run tasks, {counts.idle} are idle, {counts.starting} start, "
        f"{counts.preempted} are pre-empted; the pool is {pool.allocation_state}"
    )
    return [*found, Finding(check="nodes", verdict="ok", words=words)]


def agent_finding(pool: PoolView, supported: Sequence[SupportedAgent]) -> Finding:
    """Return whether Batch supports the pool's node agent, and until when."""
    known = [agent for agent in supported if agent.node_agent.casefold() == pool.node_agent.casefold()]
    if not known:
        return Finding(
            check="node agent",
            verdict="warning",
            words=f"Batch does not list the node agent {pool.node_agent!r} as supported",
            remedy="az batch pool supported-images list shows those; set ubuntuRelease in main.bicepparam",
        )
    ends = max(agent.ends_at for agent in known)
    return Finding(
        check="node agent",
        verdict="ok",
        words=f"{pool.node_agent} is supported" + (f" until {ends}" if ends else ""),
    )


def region_findings(pool: PoolView, *, endpoint: str) -> list[Finding]:
    """Return what can't be seen through the Batch service itself, each with the command that shows it."""
    region = region_of(endpoint)
    listed = Finding(
        check="region",
        verdict="unknown",
        words=f"The pool is in {region or 'no region of Azure'}; whether {pool.vm_size} can be had there is not to be"
        " seen from here; where it can't, the pool's resize errors say so",
        remedy=f"az batch location list-skus --location {region} --query \"[?name=='{pool.vm_size}']\""
        if region
        else "",
    )
    return [listed, _quota()]


def region_of(endpoint: str) -> str:
    """Return the region that a URL https://ACCOUNT.REGION.batch.azure.com names; empty if it names none."""
    parts = (urlsplit(endpoint).hostname or "").split(".")
    return parts[1] if len(parts) > 3 and parts[2] == "batch" else ""


def _quota() -> Finding:
    return Finding(
        check="quota",
        verdict="unknown",
        words="Core quota is not to be seen from here; where it is missing, the pool's resize errors say so",
        remedy=LOOK_AT_QUOTA,
    )


def _pool(pool: PoolView) -> Finding:
    if pool.state != "active":
        return Finding(
            check="pool", verdict="stop", words=f"The pool {pool.pool_id!r} is {pool.state}", remedy="Deploy it again"
        )
    words = f"The pool {pool.pool_id!r} of {pool.vm_size} nodes, {pool.slots} tasks each, is there"
    return Finding(check="pool", verdict="ok", words=words)


def _containers(pool: PoolView) -> Finding:
    if pool.takes_containers:
        return Finding(check="containers", verdict="ok", words="The pool's nodes run containers")
    return Finding(
        check="containers",
        verdict="stop",
        words=f"The pool {pool.pool_id!r} has no containerConfiguration, so its nodes can't run the node image",
        remedy="Make the pool with one, as infra/bicep/modules/batch.bicep does",
    )


def _image(pool: PoolView, image: str) -> Finding:
    registry = registry_of(image)
    if image in pool.images or registry in pool.registries:
        return Finding(check="image", verdict="ok", words=f"Nodes can fetch {image}")
    remedy = "Set NODE_IMAGE to an image of the pool's registry, or name the registry in the pool's containerRegistries"
    if registry.endswith(PRIVATE_REGISTRIES) or (pool.images and not pool.registries):
        words = f"The image {image!r} is not among the pool's images, nor is its registry among the pool's"
        return Finding(check="image", verdict="stop", words=words, remedy=remedy)
    words = f"The pool has no credentials for {registry}: {image!r} must be public"
    return Finding(check="image", verdict="warning", words=words, remedy=remedy)


def registry_of(image: str) -> str:
    """Return the server of an image's name, as Docker reads it: https://docs.docker.com/reference/cli/docker/image/tag"""
    first, slash, _ = image.partition("/")
    is_server = slash and ("." in first or ":" in first or first == "localhost")
    return first if is_server else "docker.io"


def _identity(pool: PoolView, identity: str) -> Finding:
    if not identity:
        return Finding(check="identity", verdict="ok", words="Tasks sign as nobody (local use)")
    if pool.identities is None:
        return Finding(check="identity", verdict="unknown", words="Batch does not say which identities the pool has")
    if identity.casefold() in {one.casefold() for one in pool.identities}:
        return Finding(check="identity", verdict="ok", words="The pool has the identity that tasks sign with")
    return Finding(
        check="identity",
        verdict="stop",
        words=f"The pool has not the identity {identity}",
        remedy="Deploy the pool again (identities are given to new nodes only), or set BATCH_POOL_IDENTITY",
    )


def _vm_size(pool: PoolView) -> Finding:
    size = pool.vm_size.casefold()
    if not size.startswith("standard_"):
        return Finding(check="VM size", verdict="unknown", words=f"{pool.vm_size!r} is no size of Azure's (local use)")
    if size.startswith(("standard_nc", "standard_nd", "standard_nv")) and not any(w in size for w in WITHOUT_CUDA):
        return Finding(check="VM size", verdict="ok", words=f"{pool.vm_size} nodes have an NVIDIA GPU")
    return Finding(
        check="VM size",
        verdict="warning",
        words=f"{pool.vm_size} nodes have no GPU that the node image can use: they paint on the CPU, many times slower,"
        " or fail their start task",
        remedy="Set pool.vmSize in main.bicepparam to a size with an NVIDIA GPU, for example Standard_NC4as_T4_v3",
    )


def _mounts(pool: PoolView, wanted: Sequence[str]) -> list[Finding]:
    if not wanted:
        return []
    if not (missing := sorted(set(wanted).difference(pool.mounts))):
        return [Finding(check="mounts", verdict="ok", words=f"The pool's nodes mount {', '.join(wanted)}")]
    words = f"Tasks are to read frames from mounts, and the pool's nodes do not mount {', '.join(missing)}"
    remedy = "Set STORAGE_MODE to sdk, or make the pool anew with mounts: docs/deploy.md, Changing what runs"
    return [Finding(check="mounts", verdict="stop", words=words, remedy=remedy)]


def _resize_remedy(error: PoolError) -> str:
    if error.is_quota:
        return f"Ask for more cores (the portal: Batch account, Quotas). What there is: {LOOK_AT_QUOTA}"
    if error.source == "autoscale":
        return "Let Batch read the formula: az batch pool autoscale evaluate; see docs/autoscale.md"
    return "Batch tries again at the formula's next evaluation; another VM size or region may have capacity"
