"""File transfer of the node agent: resource files from, and output files to, blob storage.

A signed URL (SAS) is used as it is. For any other URL the credential comes from the environment of the task's image:
the storage connection string whose blob endpoint is a prefix of the URL. In Azure the node's managed identity takes
this role: output files need a signed URL or an identity reference, and only the pool's identity, NODE_IDENTITY, opens
the storage of the image's environment. A resource file without either is read anonymously, and storage decides.

Azure's SDK is imported with the first transfer: its import takes as long as the start of the service.
"""

import glob
import string
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from local_cloud.batch_service.contracts.requests import NameValue, OutputFile, ResourceFile
from local_cloud.batch_service.execution.directories import TaskDirectory
from local_cloud.batch_service.state.models import FailureInfo

if TYPE_CHECKING:
    from azure.core.credentials import AzureNamedKeyCredential
    from azure.storage.blob import ExponentialRetry

NODE_IDENTITY = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers"
    "/Microsoft.ManagedIdentity/userAssignedIdentities/node"
)
_WILDCARDS = frozenset("*?[")
_CLIENT_OPTIONS: Mapping[str, Any] = {
    "connection_timeout": 5,
    "read_timeout": 60,
}  # seconds; the node agent's values are not documented
_FORBIDDEN = (401, 403)


class TransferError(Exception):
    """A file could not be transferred; `failure` is the task's failure information."""

    def __init__(self, failure: FailureInfo) -> None:
        super().__init__(failure.message)
        self.failure = failure


def download(files: tuple[ResourceFile, ...], *, directory: TaskDirectory, environment: Mapping[str, str]) -> None:
    """Download every resource file to the working directory, up to the first failure.

    Raises TransferError with BlobNotFound, BlobAccessDenied, BlobDownloadMiscError or ResourceFileCreateFailed.
    """
    if not files:
        return
    from azure.core.exceptions import AzureError
    from azure.storage.blob import BlobClient

    for file in files:
        target = (directory.working / file.file_path).resolve()
        if not target.is_relative_to(directory.working.resolve()):
            reason = f"filePath {file.file_path!r} is outside the working directory"
            raise TransferError(_failure("UserError", "ResourceFileCreateFailed", detail=reason))
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with (
                BlobClient.from_blob_url(
                    file.http_url,
                    credential=credential_for(file.http_url, environment),
                    retry_policy=_retries(),
                    **_CLIENT_OPTIONS,
                ) as blob,
                target.open("wb") as sink,
            ):
                blob.download_blob().readinto(sink)
        except (AzureError, ValueError) as error:
            raise TransferError(_download_failure(error, file.http_url)) from error
        if file.file_mode is not None:
            target.chmod(int(file.file_mode, 8))


def upload(
    files: tuple[OutputFile, ...], *, succeeded: bool, directory: TaskDirectory, environment: Mapping[str, str]
) -> None:
    """Upload every output file whose condition is met; a pattern without matches uploads nothing.

    Raises TransferError with FileUploadContainerNotFound, FileUploadAccessDenied or FileUploadMiscError.
    """
    from azure.core.exceptions import AzureError
    from azure.storage.blob import ContainerClient

    conditions = {"TaskCompletion", "TaskSuccess" if succeeded else "TaskFailure"}
    for file in files:
        if file.upload_options.upload_condition not in conditions:
            continue
        destination = file.destination.container
        url = destination.container_url
        identity = destination.identity_reference
        if identity is not None and identity.resource_id.lower() != NODE_IDENTITY.lower():
            raise TransferError(_failure("UserError", "FileUploadAccessDenied", detail=_without_query(url)))
        matches = list(_matches(file, directory=directory, environment=environment))
        try:
            with ContainerClient.from_container_url(
                url, credential=credential_for(url, environment), retry_policy=_retries(), **_CLIENT_OPTIONS
            ) as container:
                for path, name in matches:
                    with path.open("rb") as source:
                        container.upload_blob(name, source, overwrite=True)
        except (AzureError, OSError, ValueError) as error:
            _append_log(directory, name="fileuploaderr.txt", line=f"{file.file_pattern}: {error}")
            raise TransferError(_upload_failure(error, url)) from error
        for path, name in matches:
            _append_log(directory, name="fileuploadout.txt", line=f"{path} -> {name}")


def _retries() -> "ExponentialRetry":
    """Return a retry policy for one client. The SDK's first delay of 15 s would keep the task's slot occupied."""
    from azure.storage.blob import ExponentialRetry

    return ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=3)


def is_signed(url: str) -> bool:
    """Return whether a URL has a shared access signature."""
    return "sig=" in urlsplit(url).query


def credential_for(url: str, environment: Mapping[str, str]) -> "AzureNamedKeyCredential | None":
    """Return the account key for a blob or container URL; None if the URL is signed or no account matches."""
    if is_signed(url):
        return None
    from azure.core.credentials import AzureNamedKeyCredential

    for value in environment.values():
        fields = dict(field.split("=", 1) for field in value.split(";") if "=" in field)
        if "AccountName" in fields and "AccountKey" in fields and url.startswith(f"{_blob_endpoint(fields)}/"):
            return AzureNamedKeyCredential(fields["AccountName"], fields["AccountKey"])
    return None


def _blob_endpoint(fields: Mapping[str, str]) -> str:
    if "BlobEndpoint" in fields:
        return fields["BlobEndpoint"].rstrip("/")
    protocol = fields.get("DefaultEndpointsProtocol", "https")
    suffix = fields.get("EndpointSuffix", "core.windows.net")
    return f"{protocol}://{fields['AccountName']}.blob.{suffix}"


def _matches(
    file: OutputFile, *, directory: TaskDirectory, environment: Mapping[str, str]
) -> Iterator[tuple[Path, str]]:
    """Yield the files that match the pattern and their blob names: `path` plus the part from the first wildcard on."""
    pattern = string.Template(file.file_pattern).safe_substitute(environment)
    prefix = PurePosixPath(file.destination.container.path or "")
    if not _WILDCARDS & set(pattern):
        path = directory.working / pattern
        if path.is_file():
            yield path, str(prefix) if file.destination.container.path else path.name
        return
    base = _folder_without_wildcards(pattern)
    # Not Path.glob, which does not support ".." in a pattern and matches hidden files.
    for match in sorted(glob.glob(pattern, root_dir=directory.working, recursive=True)):  # noqa: PTH207
        path = directory.working / match
        if path.is_file():
            yield path, str(prefix / PurePosixPath(match).relative_to(base))


def _folder_without_wildcards(pattern: str) -> PurePosixPath:
    parts = PurePosixPath(pattern).parent.parts
    first_wildcard = next((index for index, part in enumerate(parts) if _WILDCARDS & set(part)), len(parts))
    return PurePosixPath(*parts[:first_wildcard])


def _download_failure(error: Exception, url: str) -> FailureInfo:
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    if isinstance(error, ResourceNotFoundError):
        return _failure("UserError", "BlobNotFound", detail=_without_query(url))
    if isinstance(error, HttpResponseError) and error.status_code in _FORBIDDEN:
        return _failure("UserError", "BlobAccessDenied", detail=_without_query(url))
    return _failure("ServerError", "BlobDownloadMiscError", detail=f"{_without_query(url)}: {error}")


def _upload_failure(error: Exception, url: str) -> FailureInfo:
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    if isinstance(error, ResourceNotFoundError):
        return _failure("UserError", "FileUploadContainerNotFound", detail=_without_query(url))
    if isinstance(error, HttpResponseError) and error.status_code in _FORBIDDEN:
        return _failure("UserError", "FileUploadAccessDenied", detail=_without_query(url))
    return _failure("ServerError", "FileUploadMiscError", detail=f"{_without_query(url)}: {error}")


_MESSAGES: Mapping[str, str] = {
    "BlobNotFound": "One of the specified Azure Blob(s) is not found",
    "BlobAccessDenied": "Access for one of the specified Azure Blob(s) is denied",
    "BlobDownloadMiscError": "Miscellaneous error encountered while downloading one of the specified Azure Blob(s)",
    "ResourceFileCreateFailed": "Failure encountered creating resource file",
    "FileUploadContainerNotFound": (
        "One of the specified Azure container(s) was not found while attempting to upload an output file"
    ),
    "FileUploadAccessDenied": "Access was denied while attempting to upload an output file",
    "FileUploadMiscError": "Miscellaneous error encountered while uploading one of the output files",
}


def _failure(category: str, code: str, *, detail: str) -> FailureInfo:
    details = (NameValue(name="Message", value=detail),)
    return FailureInfo.model_validate(
        {"category": category, "code": code, "message": _MESSAGES[code], "details": details}
    )


def _without_query(url: str) -> str:
    return url.partition("?")[0]


def _append_log(directory: TaskDirectory, *, name: str, line: str) -> None:
    with (directory.root / name).open("a", encoding="utf-8") as log:
        log.write(f"{line}\n")
