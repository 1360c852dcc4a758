"""The Function App's settings, read from the environment and validated, each with its meaning, unit and default.

A test compares the names with `local.settings.json.example`, the templates and the table in the README.
`frame_tools.storage.accounts` reads the storage accounts `DATA` and `OPS`; the Functions host reads
`AzureWebJobsStorage`.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.programs import AllowedPrograms
from frame_tools.costs.prices import Prices
from frame_tools.storage.mode import StorageMode

Positive = Annotated[int, Field(gt=0)]


class _FromEnvironment(BaseModel):
    """Fields are read from environment variables of the same name in upper case; an empty variable counts as unset."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings. Raises InputError that names each invalid or missing variable."""
        values = {name: environ[name.upper()] for name in cls.model_fields if environ.get(name.upper())}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problems = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_url=False))
            raise InputError(
                f"The settings are invalid ({problems})", "Set them as in local.settings.json.example"
            ) from None


class HostSettings(_FromEnvironment):
    """Settings that the Functions host needs when it indexes the functions."""

    trigger_source: Literal["EventGrid", "LogsAndContainerScan"] = "EventGrid"
    """How the blob trigger detects new blobs; Flex Consumption supports EventGrid only."""
    sweep_schedule: str = "0 */2 * * * *"
    """NCRONTAB schedule of the sweep. A lost message delays a run by at most this interval plus SWEEP_GRACE_SECONDS."""
    page_sign_in: Literal["key", "entra"] = "key"
    """Who may use the web page: key, who has the function key; entra, who App Service authentication lets through."""


class Settings(_FromEnvironment):
    """All other settings of the app."""

    batch_endpoint: Annotated[str, Field(pattern=r"^https?://")]
    """URL of the Batch account, https://ACCOUNT.REGION.batch.azure.com, or of the local Batch service."""
    batch_pool_id: str = "gpu"
    """Pool that runs all tasks."""
    node_image: str
    """Container image of the tasks, REGISTRY/NAME:TAG; for the local Batch service, a name passed to its --image."""
    batch_pool_identity: str = ""
    """Resource id of the pool's identity, which Batch uses to upload a task's stdout and stderr."""
    node_client_id: str = ""
    """Client id of the same identity, passed to tasks as AZURE_CLIENT_ID."""
    storage_mode: StorageMode = "sdk"
    """How tasks read frames: sdk, from blobs; mount, from folders mounted on the pool's nodes (`mounts` in Bicep)."""
    sweep_grace_seconds: Positive = 120
    """Seconds that a queued batch may be without a Batch task before its message counts as lost."""
    max_open_runs: Positive = 20
    """Maximum number of concurrent runs; later ones wait in order. New Batch accounts allow 100 active jobs."""
    pool_tasks: Positive = 4
    """Tasks that the pool can execute at once, nodes times slots: a long enough run has at least as many."""
    max_frames: Positive = 200_000
    """Maximum number of frames of one run (just under two hours at 30 per second)."""
    max_frame_pixels: Positive = 7680 * 4320
    """Maximum number of pixels of one frame or painting."""
    max_style_bytes: Positive = 50 * 2**20
    """Maximum size of a style file, in bytes."""
    max_task_retries: Annotated[int, Field(ge=0, le=10)] = 2
    """Retries of a failed task by Batch itself (the service's default is 0)."""
    sweep_retries: Annotated[int, Field(ge=0, le=10)] = 1
    """Retries by the sweep of a task that Batch no longer retries."""
    task_minutes: Positive = 60
    """Wall-clock limit of one attempt of a task, in minutes; of a task of several batches, for each of them."""
    run_hours: Positive = 48
    """Hours after which a run that has not ended fails."""
    join_in_function_bytes: Positive = 2 * 2**30
    """Videos up to this size, in bytes, are joined by the function; larger and slower ones by a Batch task."""
    prices: str = ""
    """JSON that overrides the price table, {"vm_hour_usd": {"Standard_NC4as_T4_v3": 0.6}}: see docs/cost.md."""
    monthly_budget_usd: Annotated[float, Field(ge=0)] = 0
    """US dollars for the runs of a month: the screen Health shows how much is spent. It stops nothing; 0 for none."""
    browser_uploads: bool = False
    """Whether POST /api/uploads gives out signed URLs, so that browsers upload to `input`: see docs/security.md."""
    allowed_programs: str = ""
    """JSON: the only programs that triggers may name, with hashes; empty: those of `impasto scorer allow`."""

    @field_validator("prices")
    @classmethod
    def _validate_prices(cls, text: str) -> str:
        try:
            Prices.parse_input(text or "{}", "price table")
        except InputError as error:
            raise ValueError(str(error)) from None
        return text

    @field_validator("allowed_programs")
    @classmethod
    def _validate_programs(cls, text: str) -> str:
        try:
            AllowedPrograms.parse_input(text)
        except InputError as error:
            raise ValueError(str(error)) from None
        return text

    @property
    def price_table(self) -> Prices:
        """The prices used for all costs."""
        return Prices.parse_input(self.prices or "{}", "price table")

    @property
    def batch_is_local(self) -> bool:
        """Whether the Batch service is on this machine, where a fixed key replaces an identity."""
        return urlsplit(self.batch_endpoint).hostname in ("127.0.0.1", "localhost", "::1")
