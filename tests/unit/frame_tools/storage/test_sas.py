"""Signed URLs for guests never exceed the policy of the accounts, whatever the clock says."""

import base64
import datetime as dt
from urllib.parse import parse_qs, urlsplit

import pytest

from frame_tools.storage.accounts import Account
from frame_tools.storage.blobs import BlobAccount
from frame_tools.storage.sas import MAX_HOURS, guest_settings

KEY = base64.b64encode(b"a key of this test").decode()
CONNECTION = f"DefaultEndpointsProtocol=https;AccountName=painter;AccountKey={KEY};EndpointSuffix=core.windows.net"
TOKYO = dt.timezone(dt.timedelta(hours=9))


@pytest.mark.parametrize(
    "now",
    [
        dt.datetime(2026, 12, 1, 12, 0, 0, 999_999, tzinfo=dt.UTC),
        dt.datetime(2026, 12, 1, 21, 0, 0, 1, tzinfo=TOKYO),
        dt.datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC),
    ],
)
@pytest.mark.parametrize("hours", [1, MAX_HOURS])
def test_signed_interval_is_within_the_policy(now: dt.datetime, hours: int) -> None:
    account = BlobAccount(Account(setting="DATA", connection_string=CONNECTION))
    for url in guest_settings(account, hours=hours, now=now).values():
        query = parse_qs(urlsplit(url).query)
        start, end = (dt.datetime.fromisoformat(query[name][0]) for name in ("st", "se"))
        assert end - start == dt.timedelta(hours=hours) <= dt.timedelta(hours=MAX_HOURS)
        assert start <= now < end
