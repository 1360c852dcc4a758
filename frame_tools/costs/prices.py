"""Price table in US dollars, with its date; a setting or a file can override parts of it.

The prices are public copies of Azure's price lists, East US, Linux, pay as you go: GPU hours from skypilot-catalog's
`catalogs/v6/azure/vms.csv` (commit 098741e, data from August to December 2024; the T4 price was confirmed in July
2026), Functions from notes of 2025 and 2026, blob operations from Microsoft's sample prices of July 2024. None was
read from Azure's own page.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from frame_tools.contracts.base import Document
from frame_tools.contracts.json_types import Number

Usd = Annotated[Number, Field(ge=0, allow_inf_nan=False)]

GPU_HOURS_USD: Final[Mapping[str, float]] = {
    "standard_nc4as_t4_v3": 0.526,
    "standard_nc8as_t4_v3": 0.752,
    "standard_nc16as_t4_v3": 1.204,
    "standard_nc64as_t4_v3": 4.352,
    "standard_nv12ads_a10_v5": 0.908,
    "standard_nv36ads_a10_v5": 3.20,
    "standard_nv72ads_a10_v5": 6.52,
    "standard_nc24ads_a100_v4": 3.673,
    "standard_nc48ads_a100_v4": 7.346,
    "standard_nc96ads_a100_v4": 14.692,
    "standard_nc40ads_h100_v5": 6.98,
    "standard_nc80adis_h100_v5": 13.96,
}
"""By VM size in lower case, as Batch returns it."""


class Prices(Document):
    """The price table. Omitted fields keep their defaults; `vm_hour_usd` adds to the known sizes."""

    as_of: Annotated[str, Field(max_length=100)] = "2024 to July 2026, East US, public copies of Azure's lists"
    """Source and date of the prices; shown with every estimate."""
    vm_hour_usd: Mapping[str, Usd] = Field(default_factory=dict)
    """US dollars per hour of a dedicated node, by VM size (case-insensitive)."""
    spot_factor: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Price of a Spot node as a fraction of the dedicated price. It varies: 0.12 to 0.25 in the list of 2024."""
    blob_writes_10_000_usd: Usd = 0.055
    blob_reads_10_000_usd: Usd = 0.0044
    """Also used for the few queue operations, whose price is of the same order."""
    function_gb_second_usd: Usd = 0.000026
    """Flex Consumption, on demand; the monthly free grant is not subtracted."""
    function_million_calls_usd: Usd = 0.40
    function_memory_gb: Annotated[float, Field(gt=0)] = 2.0
    """Memory of an instance of the Function App, as the templates set it."""

    def hour_usd(self, vm_size: str, *, spot: bool) -> float | None:
        """Return US dollars per hour of one node, or None if the table has no price for the size."""
        added = {name.lower(): usd for name, usd in self.vm_hour_usd.items()}
        dedicated = {**GPU_HOURS_USD, **added}.get(vm_size.lower())
        if dedicated is None:
            return None
        return dedicated * (self.spot_factor if spot else 1.0)
