"""Resource files and output files, against a real Azurite."""

import datetime as dt
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.batch import models as m
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from local_cloud.batch_service.execution.file_transfer import NODE_IDENTITY


@pytest.fixture(scope="module")
def storage_cloud(emulators: Any, cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service with an image that knows the storage account, and one that does not."""
    path = {"PATH": "/usr/bin:/bin"}
    knowing = path | {"OTHER": "a=b;c", "OPS_STORAGE": emulators.settings["OPS"]}
    own = type(cloud)(data=tmp_path_factory.mktemp("batch-storage"), images={"knowing": knowing, "blind": path})
    own.start()
    yield own
    assert own.service.stop() == 0


@pytest.fixture
def container(emulators: Any) -> Any:
    blobs = BlobServiceClient.from_connection_string(emulators.settings["OPS"])
    return blobs.create_container(f"test-{uuid.uuid4().hex}")


def output(
    pattern: str, url: str, path: str | None, *, condition: str = "taskcompletion", identity: str | None = NODE_IDENTITY
) -> m.OutputFile:
    reference = m.BatchNodeIdentityReference(resource_id=identity) if identity else None
    place = m.OutputFileBlobContainerDestination(container_url=url, path=path, identity_reference=reference)
    return m.OutputFile(
        file_pattern=pattern,
        destination=m.OutputFileDestination(container=place),
        upload_options=m.OutputFileUploadConfiguration(upload_condition=condition),
    )


def run(cloud: Any, name: str, command: str, **options: Any) -> Any:
    cloud.job(name)
    return cloud.run(name, "t", command, **({"image": "knowing"} | options))


def names(container: Any) -> set[str]:
    return set(container.list_blob_names())


def test_output_files_after_success_and_failure(storage_cloud: Any, container: Any) -> None:
    storage_cloud.job("std")
    for name, code in (("good", 0), ("bad", 3)):
        files = [output("../std*.txt", container.url, f"logs/{name}")]
        storage_cloud.run("std", name, f"sh -c 'echo {name}; exit {code}'", image="knowing", output_files=files)
    assert names(container) == {f"logs/{name}/std{end}.txt" for name in ("good", "bad") for end in ("out", "err")}
    assert container.download_blob("logs/bad/stdout.txt").readall() == b"bad\n"
    task = storage_cloud.client.get_task("std", "good")
    assert task.output_files[0].upload_options.upload_condition == "TaskCompletion"


def test_upload_conditions_patterns_and_names(storage_cloud: Any, container: Any) -> None:
    files = [
        output("made/**/*.txt", container.url, "tree"),
        output("made/one.txt", container.url, "renamed.txt", condition="tasksuccess"),
        output("made/one.txt", container.url, None),
        output("$AZ_BATCH_TASK_DIR/stdout.txt", container.url, "absolute.txt"),
        output("made/*", container.url, "never", condition="taskfailure"),
        output("nothing-*", container.url, "nothing"),
    ]
    command = "sh -c 'mkdir -p made/deep && echo 1 > made/one.txt && echo 2 > made/deep/two.txt'"
    info = run(storage_cloud, "patterns", command, output_files=files).execution_info
    assert (info.exit_code, info.result) == (0, "success")
    expected = {"tree/one.txt", "tree/deep/two.txt", "renamed.txt", "one.txt", "absolute.txt"}
    assert names(container) == expected


def test_signed_url_needs_no_key(storage_cloud: Any, container: Any) -> None:
    sas = generate_container_sas(
        container.account_name,
        container.container_name,
        account_key=container.credential.account_key,
        permission=ContainerSasPermissions(read=True, write=True, create=True),
        expiry=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1),
    )
    container.upload_blob("in.txt", b"brought")
    resource = m.ResourceFile(http_url=f"{container.url}/in.txt?{sas}", file_path="deep/in.txt", file_mode="0755")
    files = [output("../stdout.txt", f"{container.url}?{sas}", "out.txt", identity=None)]
    options = {"image": "blind", "resource_files": [resource], "output_files": files}
    assert run(storage_cloud, "signed", "cat deep/in.txt", **options).execution_info.result == "success"
    assert container.download_blob("out.txt").readall() == b"brought"


def test_output_file_without_signature_or_identity_is_refused(storage_cloud: Any, container: Any) -> None:
    storage_cloud.job("nobody")
    files = [output("../stdout.txt", container.url, "out.txt", identity=None)]
    with pytest.raises(HttpResponseError) as caught:
        storage_cloud.add("nobody", "t", "true", image="knowing", output_files=files)
    assert caught.value.error.code == "InvalidPropertyValue"


def test_output_file_with_another_identity_fails_task(storage_cloud: Any, container: Any) -> None:
    files = [output("../stdout.txt", container.url, "out.txt", identity=f"{NODE_IDENTITY}-2")]
    info = run(storage_cloud, "stranger", "true", output_files=files).execution_info
    assert (info.exit_code, info.failure_info.code) == (0, "FileUploadAccessDenied")


def test_resource_file_with_image_key(storage_cloud: Any, container: Any) -> None:
    container.upload_blob("in.txt", b"brought")
    resource = m.ResourceFile(http_url=f"{container.url}/in.txt", file_path="in.txt")
    run(storage_cloud, "keyed", "cat in.txt", resource_files=[resource])
    assert storage_cloud.output("keyed", "t") == "brought"


@pytest.mark.parametrize(
    ("image", "blob", "code"),
    [("knowing", "absent.txt", "BlobNotFound"), ("blind", "in.txt", None)],
)
def test_unavailable_resource_file_fails_task(
    storage_cloud: Any, container: Any, image: str, blob: str, code: str | None
) -> None:
    container.upload_blob("in.txt", b"x")
    resource = m.ResourceFile(http_url=f"{container.url}/{blob}", file_path="in.txt")
    limit = m.BatchTaskConstraints(max_task_retry_count=3)
    options = {"image": image, "resource_files": [resource], "constraints": limit}
    info = run(storage_cloud, f"absent-{image}", "cat in.txt", **options).execution_info
    assert (info.exit_code, info.retry_count, info.result) == (None, 0, "failure")
    # An anonymous read of a private container is told "not found" by storage, and "denied" by some versions of it.
    assert info.failure_info.code in ({code} if code else {"BlobNotFound", "BlobAccessDenied"})


def test_failed_upload_fails_task_without_retry(storage_cloud: Any, container: Any) -> None:
    files = [output("../stdout.txt", f"{container.url}-absent", "x")]
    limit = m.BatchTaskConstraints(max_task_retry_count=3)
    info = run(storage_cloud, "no-container", "true", output_files=files, constraints=limit).execution_info
    assert (info.exit_code, info.result, info.retry_count) == (0, "failure", 0)
    assert (info.failure_info.category, info.failure_info.code) == ("UserError", "FileUploadContainerNotFound")
    assert "container does not exist" in storage_cloud.output("no-container", "t", "fileuploaderr.txt")


def test_file_path_outside_working_directory(storage_cloud: Any, container: Any, tmp_path: Path) -> None:
    container.upload_blob("in.txt", b"x")
    resource = m.ResourceFile(http_url=f"{container.url}/in.txt", file_path=str(tmp_path / "out.txt"))
    info = run(storage_cloud, "escape", "true", resource_files=[resource]).execution_info
    assert info.failure_info.code == "ResourceFileCreateFailed"
    assert not (tmp_path / "out.txt").exists()
