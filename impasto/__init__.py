"""Impasto for Python programs: `Client().paint("clip.mp4", style="p.jpg").wait().download()`; see docs/client.md."""

from frame_tools.cli.connect import connect
from frame_tools.client.library import Client as _Client
from frame_tools.client.library import Run
from frame_tools.client.polling import RunEndedError
from frame_tools.client.results import Result
from frame_tools.contracts.answers import Preflight, RunRow, RunStatus
from frame_tools.contracts.errors import DamagedError, ImpastoError, InputError, MissingError, TemporaryError
from frame_tools.contracts.version import IMPASTO_VERSION

__all__ = [
    "Client",
    "DamagedError",
    "ImpastoError",
    "InputError",
    "MissingError",
    "Preflight",
    "Result",
    "Run",
    "RunEndedError",
    "RunRow",
    "RunStatus",
    "TemporaryError",
    "__version__",
]
__version__ = IMPASTO_VERSION


class Client(_Client):
    """A connection to the app at `url`, which ends with /api, with a function key.

    Without them, the cloud is found as by the command `impasto`: by the environment, else the running local cloud, else
    the current azd environment. Raises InputError if there is none.
    """

    def __init__(self, url: str = "", key: str = "") -> None:
        super().__init__(connect(url, key))
