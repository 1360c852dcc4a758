"""What the properties of a Batch pool mean for a run: pure functions, without a service.

A finding "stop" is permanent: no task can ever run. A "warning" may be temporary (capacity, a requested quota), so it
is reported and the run waits. "unknown" marks what the Batch service itself cannot tell.
"""

from collections.abc import Sequence
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field

from frame_tools.contracts.base import Document
from orchestration.azure_batch.pool import NodeCounts, PoolError, PoolView, SupportedAgent

Verdict = Literal["ok", "warning", "stop", "unknown"]
PRIVATE_REGISTRIES: Final = (".azurecr.io", ".azurecr.cn", ".azurecr.us")
WITHOUT_CUDA: Final = ("_v710_", "_mi300x_", "as_v4")
"""Parts of the names of N-series sizes with AMD GPUs."""
SHOW_QUOTA_COMMAND: Final = (
    "az batch account show --resource-group GROUP --name ACCOUNT"
    ' --query "{spot: lowPriorityCoreQuota, families: dedicatedCoreQuotaPerVmFamily}"'
)


class Finding(Document):
    """The result of one check."""

    check: str
    verdict: Verdict
    message: str = Field(validation_alias=AliasChoices("message", "words"))
    """Stored as `words` before this field was renamed."""
    remedy: str = ""


def pool_findings(
    pool: PoolView | None, *, pool_id: str, image: str, identity: str | None, mounts: Sequence[str] = ()
) -> list[Finding]:
    """Check a pool for tasks that run `image`, sign in as `identity` (None: no sign-in) and read `mounts`."""
    if pool is None:
        return [
            Finding(
                check="pool",
                verdict="stop",
                message=f"The pool {pool_id!r} does not exist",
                remedy="Deploy it, or set BATCH_POOL_ID to the name of an existing pool",
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
            Finding(check="nodes", verdict="warning", message=str(error), remedy=_resize_remedy(error))
            for error in pool.errors
        ),
    ]


def node_findings(pool: PoolView, counts: NodeCounts) -> list[Finding]:
    """Check the states of the pool's nodes."""
    findings: list[Finding] = []
    for number, state in ((counts.unusable, "unusable"), (counts.start_task_failed, "with a failed start task")):
        if number:
            findings.append(
                Finding(
                    check="nodes",
                    verdict="warning",
                    message=f"{number} of {counts.total} nodes are {state}; they are billed but run no tasks",
                    remedy=f"List them with az batch node list --pool-id {pool.pool_id}, then run az batch node reboot",
                )
            )
    message = (
        f"{counts.total} nodes: {counts.running} running tasks, {counts.idle} idle, {counts.starting} starting, "
        f"{counts.preempted} preempted; the pool is {pool.allocation_state}"
    )
    return [*findings, Finding(check="nodes", verdict="ok", message=message)]


def agent_finding(pool: PoolView, supported: Sequence[SupportedAgent]) -> Finding:
    """Check whether Batch supports the pool's node agent, and until when."""
    matching = [agent for agent in supported if agent.node_agent.casefold() == pool.node_agent.casefold()]
    if not matching:
        return Finding(
            check="node agent",
            verdict="warning",
            message=f"Batch does not list the node agent {pool.node_agent!r} as supported",
            remedy="az batch pool supported-images list shows those that are; set ubuntuRelease in IMPASTO_POOL",
        )
    ends_at = max(agent.ends_at for agent in matching)
    return Finding(
        check="node agent",
        verdict="ok",
        message=f"{pool.node_agent} is supported" + (f" until {ends_at}" if ends_at else ""),
    )


def region_findings(pool: PoolView, *, endpoint: str) -> list[Finding]:
    """Return what the Batch service cannot tell, each with the command that shows it."""
    region = region_of(endpoint)
    availability = Finding(
        check="region",
        verdict="unknown",
        message=f"The pool is in {region or 'no Azure region'}; the availability of {pool.vm_size} there cannot be"
        " checked from here; if it is unavailable, the pool reports a resize error",
        remedy=f"az batch location list-skus --location {region} --query \"[?name=='{pool.vm_size}']\""
        if region
        else "",
    )
    return [availability, _quota()]


def region_of(endpoint: str) -> str:
    """Return the region of a URL https://ACCOUNT.REGION.batch.azure.com; empty if it contains none."""
    parts = (urlsplit(endpoint).hostname or "").split(".")
    return parts[1] if len(parts) > 3 and parts[2] == "batch" else ""


def _quota() -> Finding:
    return Finding(
        check="quota",
        verdict="unknown",
        message="Core quotas cannot be checked from here; if one is exhausted, the pool reports a resize error",
        remedy=SHOW_QUOTA_COMMAND,
    )


def _pool(pool: PoolView) -> Finding:
    if pool.state != "active":
        return Finding(
            check="pool", verdict="stop", message=f"The pool {pool.pool_id!r} is {pool.state}", remedy="Deploy it again"
        )
    message = f"The pool {pool.pool_id!r} exists: {pool.vm_size} nodes with {pool.slots} task slots each"
    return Finding(check="pool", verdict="ok", message=message)


def _containers(pool: PoolView) -> Finding:
    if pool.takes_containers:
        return Finding(check="containers", verdict="ok", message="The pool's nodes run containers")
    return Finding(
        check="containers",
        verdict="stop",
        message=f"The pool {pool.pool_id!r} has no containerConfiguration, so its nodes cannot run the node image",
        remedy="Create the pool with one, as infra/bicep/modules/batch.bicep does",
    )


def _image(pool: PoolView, image: str) -> Finding:
    registry = registry_of(image)
    if image in pool.images or registry in pool.registries:
        return Finding(check="image", verdict="ok", message=f"Nodes can pull {image}")
    remedy = "Set NODE_IMAGE to an image in the pool's registry, or add its registry to the pool's containerRegistries"
    if registry.endswith(PRIVATE_REGISTRIES) or (pool.images and not pool.registries):
        message = f"The pool lists neither the image {image!r} nor its registry"
        return Finding(check="image", verdict="stop", message=message, remedy=remedy)
    message = f"The pool has no credentials for {registry}: {image!r} must be public"
    return Finding(check="image", verdict="warning", message=message, remedy=remedy)


def registry_of(image: str) -> str:
    """Return the registry of an image name: https://docs.docker.com/reference/cli/docker/image/tag"""
    first, slash, _ = image.partition("/")
    is_server = slash and ("." in first or ":" in first or first == "localhost")
    return first if is_server else "docker.io"


def _identity(pool: PoolView, identity: str | None) -> Finding:
    if identity is None:
        return Finding(check="identity", verdict="ok", message="Tasks do not sign in (local use)")
    if not identity:
        return Finding(
            check="identity",
            verdict="stop",
            message="BATCH_POOL_IDENTITY is empty, so tasks cannot sign in to storage",
            remedy="Set it to the resource id of the pool's identity, and NODE_CLIENT_ID to its client id",
        )
    if pool.identities is None:
        return Finding(check="identity", verdict="unknown", message="Batch does not report the pool's identities")
    if identity.casefold() in {resource_id.casefold() for resource_id in pool.identities}:
        return Finding(check="identity", verdict="ok", message="The pool has the identity that tasks sign in with")
    return Finding(
        check="identity",
        verdict="stop",
        message=f"The pool is missing the identity {identity}",
        remedy="Deploy the pool again (only new nodes receive identities), or set BATCH_POOL_IDENTITY",
    )


def _vm_size(pool: PoolView) -> Finding:
    size = pool.vm_size.casefold()
    if not size.startswith("standard_"):
        message = f"{pool.vm_size!r} is not an Azure VM size (local use)"
        return Finding(check="VM size", verdict="unknown", message=message)
    is_gpu_series = size.startswith(("standard_nc", "standard_nd", "standard_nv"))
    if is_gpu_series and not any(part in size for part in WITHOUT_CUDA):
        return Finding(check="VM size", verdict="ok", message=f"{pool.vm_size} nodes have an NVIDIA GPU")
    return Finding(
        check="VM size",
        verdict="warning",
        message=f"{pool.vm_size} nodes have no GPU that the node image supports: they compute on the CPU, many times"
        " slower, or fail their start task",
        remedy="Set vmSize in IMPASTO_POOL to a size with an NVIDIA GPU, for example Standard_NC4as_T4_v3",
    )


def _mounts(pool: PoolView, required: Sequence[str]) -> list[Finding]:
    if not required:
        return []
    if not (missing := sorted(set(required).difference(pool.mounts))):
        return [Finding(check="mounts", verdict="ok", message=f"The pool's nodes mount {', '.join(required)}")]
    message = f"Tasks read frames from mounts, but the pool's nodes do not mount {', '.join(missing)}"
    remedy = "Set STORAGE_MODE to sdk, or recreate the pool with mounts (docs/deploy.md)"
    return [Finding(check="mounts", verdict="stop", message=message, remedy=remedy)]


def _resize_remedy(error: PoolError) -> str:
    if error.is_quota:
        return f"Request more cores (portal: Batch account, Quotas). Show the current quotas: {SHOW_QUOTA_COMMAND}"
    if error.source == "autoscale":
        return "Evaluate the formula with az batch pool autoscale evaluate; see docs/autoscale.md"
    return "Batch retries at the formula's next evaluation; another VM size or region may have capacity"
