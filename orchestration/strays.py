"""Messages that are not ours: kept where an operator finds them, never lost, never tried again."""

import logging

from frame_tools import names
from frame_tools.blobs import sha256_of
from frame_tools.errors import ImpastoError
from orchestration.app import App

log = logging.getLogger(__name__)


def set_aside(app: App, queue: str, text: str, error: ImpastoError) -> None:
    """Keep a message's text in `logs/strays/<queue>/`; the same text is kept once."""
    data = text.encode()
    place = names.stray(queue, sha256_of(data))
    app.storage.logs.create(place, data)
    log.error("a message on %s is not ours: %s It is kept as logs/%s", queue, error, place)
