"""Limits of Azure Storage that Azurite does not have: signed URLs, request rates, and the size of append blobs."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from azure.core.exceptions import HttpResponseError

from frame_tools.storage.accounts import DATA, account_from
from frame_tools.storage.blobs import BlobAccount
from frame_tools.storage.deployment import DataStorage
from frame_tools.storage.sas import CLOCK_SKEW, GRANTS, MAX_HOURS, guest_settings
from local_cloud.accounts import Ports, storage_settings
from local_cloud.cloud import Cloud
from tests.support.azurite_world import azurite_world
from tests.support.ports import free_port
from tests.support.storage_proxy import Rule, storage_proxy
from tests.support.storage_rules import AppendLimit, RateLimit, SasPolicy

PERIOD = dt.timedelta(days=1)
"""sasExpirationPeriod of the templates."""


@contextmanager
def limited(emulators: Cloud, rules: Sequence[Rule]) -> Iterator[dict[str, str]]:
    """Yield the settings of storage behind the rules."""
    blob, queue = free_port(), free_port()
    ports = Ports(blob=blob, queue=queue, table=emulators.ports.table)
    with storage_proxy({blob: emulators.ports.blob, queue: emulators.ports.queue}, rules):
        yield {**emulators.settings, **storage_settings(ports)}


def test_longest_guest_urls_comply_with_sas_policy(emulators: Cloud) -> None:
    with limited(emulators, [SasPolicy(PERIOD)]) as settings:
        account = BlobAccount(account_from(settings, DATA))
        account.container("input").ensure()
        urls = guest_settings(account, hours=MAX_HOURS, now=dt.datetime.now(dt.UTC))
        DataStorage.from_environment(urls).input.write("guest/a.txt", b"a")
        start = dt.datetime.now(dt.UTC) - CLOCK_SKEW
        end = start + PERIOD + dt.timedelta(minutes=1)
        longer = {
            grant.setting: account.signed_url(grant.container, permissions=grant.permissions, start=start, end=end)
            for grant in GRANTS
        }
        with pytest.raises(HttpResponseError) as refused:
            DataStorage.from_environment(longer).input.write("guest/b.txt", b"b")
    assert refused.value.status_code == 403


def test_run_finishes_under_a_request_rate_limit(emulators: Cloud) -> None:
    limit = RateLimit(per_second=2)
    with limited(emulators, [limit]) as settings:
        world = azurite_world(settings)
        run_id = world.start("limited")
        assert world.finish(run_id) == "finished"
    assert limit.refused > 0


def test_full_completion_log_loses_no_batch(emulators: Cloud) -> None:
    with limited(emulators, [AppendLimit(1)]) as settings:
        world = azurite_world(settings)
        run_id = world.start("full-log")
        assert world.finish(run_id) == "finished"
