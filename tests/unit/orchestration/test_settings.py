"""Validation of the app's settings."""

import pytest

from frame_tools.contracts.errors import InputError
from frame_tools.costs.prices import Prices
from orchestration.settings import Settings


@pytest.mark.parametrize("text", ["{", '{"spot_factor": 7}', '{"what": 1}'])
def test_settings_reject_invalid_prices(text: str) -> None:
    environ = {"BATCH_ENDPOINT": "http://127.0.0.1:1", "NODE_IMAGE": "x:1"}
    assert Settings.from_environment(environ).price_table == Prices()
    with pytest.raises(InputError, match="PRICES"):
        Settings.from_environment(environ | {"PRICES": text})
