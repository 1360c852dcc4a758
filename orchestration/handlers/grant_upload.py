"""Handler of POST /api/uploads: signed URLs for the files of a run, each for one blob and a short time."""

from typing import Final

from frame_tools.contracts import paths
from frame_tools.contracts.answers import UploadGrant, UploadTarget
from frame_tools.contracts.calls import UploadRequest
from frame_tools.contracts.errors import InputError
from orchestration.app import App

HEADERS: Final = {"x-ms-blob-type": "BlockBlob"}
"""What Put Blob requires; Put Block and Put Block List do not."""


def grant_upload(app: App, request: UploadRequest) -> UploadGrant:
    """Return where each file is uploaded. Raises InputError if the deployment does not allow it.

    A URL allows creating and replacing its blob, whole or in blocks, and nothing else. The size is not enforced by
    storage; planning checks what has arrived.
    """
    if not app.settings.browser_uploads:
        raise InputError(
            "This deployment takes no uploads through the app",
            "Upload with `impasto paint`, or let the operator set BROWSER_UPLOADS",
        )
    now = app.clock.now()
    blobs = {file.name: paths.input_blob(request.name, file.name) for file in request.files}
    links = {name: app.links.upload(paths.INPUT, blob, now=now) for name, blob in blobs.items()}
    files = [
        UploadTarget(name=name, blob=blobs[name], url=url, method="PUT", headers=HEADERS)
        for name, (url, _) in links.items()
    ]
    return UploadGrant(
        name=request.name,
        container=paths.INPUT,
        folder=request.name,
        expires_at=min(end for _, end in links.values()).isoformat(),
        files=tuple(files),
    )
