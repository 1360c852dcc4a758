"""The set-up of the storage emulator, with requests that it accepts."""

from typing import TYPE_CHECKING

import pytest
from azure.storage.blob import BlobServiceClient

from local_cloud.accounts import DATA_ACCOUNT, OPS_ACCOUNT, Ports
from local_cloud.storage_setup import CONTAINERS, QUEUES, allow_uploads, make_containers

if TYPE_CHECKING:
    from local_cloud.cloud import Cloud


def test_containers_and_queues_are_made_once(emulators: "Cloud") -> None:
    from azure.storage.queue import QueueServiceClient

    for _ in range(2):
        make_containers(emulators.ports)
    for setting, account in (("DATA", DATA_ACCOUNT), ("OPS", OPS_ACCOUNT)):
        with (
            BlobServiceClient.from_connection_string(emulators.settings[setting]) as blobs,
            QueueServiceClient.from_connection_string(emulators.settings[setting]) as queues,
        ):
            assert set(CONTAINERS[account]) <= {each.name for each in blobs.list_containers()}
            assert set(QUEUES[account]) <= {each.name for each in queues.list_queues()}


def test_pages_of_the_app_may_upload(emulators: "Cloud") -> None:
    allow_uploads(emulators.ports)
    with BlobServiceClient.from_connection_string(emulators.settings["DATA"]) as blobs:
        (rule,) = blobs.get_service_properties()["cors"]
    port = emulators.ports.functions
    assert rule.allowed_origins.split(",") == [f"http://127.0.0.1:{port}", f"http://localhost:{port}"]
    assert rule.allowed_methods.split(",") == ["GET", "HEAD", "PUT"]
    assert rule.max_age_in_seconds == 3600


def test_a_refused_request_is_reported(emulators: "Cloud", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local_cloud.storage_setup.CONTAINERS", {DATA_ACCOUNT: ("No_Name",)})
    with pytest.raises(OSError, match=r"PUT /devstoreaccount1/No_Name with 4\d\d"):
        make_containers(Ports(blob=emulators.ports.blob, queue=emulators.ports.queue))
