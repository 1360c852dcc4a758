"""Messages that are not ours: kept where an operator finds them, never lost, never tried again."""

import logging

from frame_tools.contracts import paths
from frame_tools.contracts.errors import ImpastoError
from frame_tools.storage.blobs import sha256_of
from orchestration.app import App

log = logging.getLogger(__name__)


def set_aside(app: App, queue: str, text: str, error: ImpastoError) -> None:
    """Keep a message's text in `logs/dead-letter/<queue>/`; the same text is kept once."""
    data = text.encode()
    place = paths.dead_letter(queue, sha256_of(data))
    app.storage.logs.create(place, data)
    log.error("a message on %s is not ours: %s It is kept as logs/%s", queue, error, place)
