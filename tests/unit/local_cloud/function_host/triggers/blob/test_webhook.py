"""Blob URLs in Event Grid events."""

import pytest

from local_cloud.function_host.triggers.blob.webhook import blob_version


@pytest.mark.parametrize(
    ("url", "container", "name"),
    [
        ("https://acct.blob.core.windows.net/in/a/b%20c.txt", "in", "a/b c.txt"),
        ("http://127.0.0.1:10000/devstoreaccount1/in/x", "in", "x"),
        ("http://localhost:10000/acct/in/x", "in", "x"),
    ],
)
def test_blob_url(url: str, container: str, name: str) -> None:
    version = blob_version({"data": {"url": url, "eTag": '"0x1"', "blobType": "BlockBlob"}})
    assert (version.container, version.name, version.etag) == (container, name, "0x1")
