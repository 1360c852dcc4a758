"""Credentials of file transfers."""

import pytest

from local_cloud.batch_service.execution.file_transfer import credential_for

LOCAL = "AccountName=ops;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:10000/ops;"


AZURE = "DefaultEndpointsProtocol=https;AccountName=data;AccountKey=a2V5;EndpointSuffix=core.windows.net"


@pytest.mark.parametrize(
    ("url", "account"),
    [
        ("http://127.0.0.1:10000/ops/logs/x", "ops"),
        ("http://127.0.0.1:10000/opsother/logs", None),
        ("http://127.0.0.1:10001/ops/logs", None),
        ("https://data.blob.core.windows.net/logs", "data"),
        ("http://127.0.0.1:10000/ops/logs?sv=1&sig=abc", None),
    ],
)
def test_credential_matches_account_in_url(url: str, account: str | None) -> None:
    credential = credential_for(url, {"PATH": "/bin", "A": LOCAL, "B": AZURE})
    assert (credential.named_key.name if credential else None) == account
