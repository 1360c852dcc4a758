"""Storage of invalid queue messages: kept for the operator, never lost, never retried."""

import logging

from frame_tools.contracts import paths
from frame_tools.contracts.errors import ImpastoError
from frame_tools.storage.blobs import sha256_of
from orchestration.app import App

_log = logging.getLogger(__name__)


def dead_letter_message(app: App, queue: str, text: str, error: ImpastoError) -> None:
    """Store a message's text in `logs/dead-letter/<queue>/`; repeated copies of one text are stored once."""
    data = text.encode()
    blob = paths.dead_letter(queue, sha256_of(data))
    app.storage.logs.create(blob, data)
    _log.error("invalid message on the queue %s: %s Stored as logs/%s", queue, error, blob)
