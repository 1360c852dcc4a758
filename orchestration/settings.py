"""The Function App's settings: read once from the environment, checked, each with its meaning, unit and default.

The same names stand in `local.settings.json.example`, in the templates and in the README's table; a test compares.
The storage accounts `DATA` and `OPS` are read by `frame_tools.storage.accounts`,
`AzureWebJobsStorage` by the Functions host.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from frame_tools.contracts.errors import InputError
from frame_tools.costs.prices import Prices
from frame_tools.storage.mode import StorageMode
from orchestration.allowed_programs import AllowedPrograms

Positive = Annotated[int, Field(gt=0)]


class _FromEnvironment(BaseModel):
    """Field names in capitals are the environment variables; an empty one counts as not set."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings; raises InputError that names each wrong or missing variable."""
        values = {name: environ[name.upper()] for name in cls.model_fields if environ.get(name.upper())}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            said = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_url=False))
            raise InputError(
                f"The settings can't be used ({said})", "Set them as local.settings.json.example shows"
            ) from None


class HostSettings(_FromEnvironment):
    """What the Functions host must know when it lists the functions."""

    trigger_source: Literal["EventGrid", "LogsAndContainerScan"] = "EventGrid"
    """How the blob trigger hears of new blobs; EventGrid is the only way on Flex Consumption."""
    sweep_schedule: str = "0 */2 * * * *"
    """NCRONTAB of the sweep. Two minutes: a lost message costs at most that plus SWEEP_GRACE_SECONDS."""


class Settings(_FromEnvironment):
    """All other settings of the app."""

    batch_endpoint: Annotated[str, Field(pattern=r"^https?://")]
    """URL of the Batch account, https://ACCOUNT.REGION.batch.azure.com, or of the local Batch service."""
    batch_pool_id: str = "gpu"
    """The pool that all tasks run on."""
    node_image: str
    """Container image of the tasks, REGISTRY/NAME:TAG; for the local service a name given to its --image."""
    batch_pool_identity: str = ""
    """Resource id of the pool's identity, with which Batch itself uploads a task's stdout and stderr."""
    node_client_id: str = ""
    """Client id of the same identity, handed to tasks as AZURE_CLIENT_ID."""
    storage_mode: StorageMode = "sdk"
    """How tasks read frames: sdk, from blobs; mount, from folders that the pool's nodes mount (`mounts` in Bicep)."""
    sweep_grace_seconds: Positive = 120
    """How long a queued batch may be without a Batch task before its message counts as lost."""
    max_open_runs: Positive = 20
    """Runs under way at once; later ones wait, in order. An account allows 100 active Batch jobs at first."""
    max_frames: Positive = 200_000
    """Frames of one run (just under two hours at 30 per second)."""
    max_frame_pixels: Positive = 7680 * 4320
    """Pixels of one frame or painting."""
    max_style_bytes: Positive = 50 * 2**20
    """Bytes of a painting's file."""
    max_task_retries: Annotated[int, Field(ge=0, le=10)] = 2
    """Times that Batch runs a failed task again by itself (its own default is 0)."""
    sweep_retries: Annotated[int, Field(ge=0, le=10)] = 1
    """Times that the sweep gives a task that failed for good a new start."""
    task_minutes: Positive = 60
    """Wall-clock limit of one attempt of a task, in minutes."""
    run_hours: Positive = 48
    """After so many hours a run that has not ended is ended as failed."""
    join_in_function_bytes: Positive = 2 * 2**30
    """Videos up to this size are joined by the function; larger ones by a Batch task with the same code."""

    prices: str = ""
    """JSON laid over the price table, {"vm_hour_usd": {"Standard_NC4as_T4_v3": 0.6}}: see docs/cost.md."""
    allowed_programs: str = ""
    """JSON: programs in the container `scripts` that triggers may name, each with its hash: see docs/scorers.md."""

    @field_validator("prices")
    @classmethod
    def _prices_can_be_read(cls, text: str) -> str:
        try:
            Prices.parse_input(text or "{}", "price table")
        except InputError as error:
            raise ValueError(str(error)) from None
        return text

    @field_validator("allowed_programs")
    @classmethod
    def _programs_can_be_read(cls, text: str) -> str:
        try:
            AllowedPrograms.parse_input(text)
        except InputError as error:
            raise ValueError(str(error)) from None
        return text

    @property
    def programs(self) -> AllowedPrograms:
        """The programs that a trigger may name."""
        return AllowedPrograms.parse_input(self.allowed_programs)

    @property
    def price_table(self) -> Prices:
        """The prices that costs are told by."""
        return Prices.parse_input(self.prices or "{}", "price table")

    @property
    def batch_is_local(self) -> bool:
        """Whether the Batch service is on this machine, where a fixed key name replaces an identity."""
        return urlsplit(self.batch_endpoint).hostname in ("127.0.0.1", "localhost", "::1")
