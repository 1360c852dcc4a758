"""The Azure CLI and the azd environment, as the hooks use them."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class HookError(Exception):
    """A hook cannot do its work; the message says why and what to do."""


class AzureCli:
    """The command `az`."""

    def __init__(self) -> None:
        # On Windows `az` is a batch file, which is found only with its full path.
        executable = shutil.which("az")
        if executable is None:
            raise HookError(
                "The Azure CLI is missing. Install it (https://aka.ms/install-azure-cli) and run `az login`."
            )
        self._az = executable

    def read(self, *arguments: str) -> str | None:
        """Return the output of a command without trailing whitespace, or None if the command fails."""
        result = subprocess.run([self._az, *arguments], capture_output=True, text=True, check=False)
        return result.stdout.strip() if result.returncode == 0 else None

    def run(self, *arguments: str) -> bool:
        """Run a command with its output shown; return whether it succeeds."""
        return subprocess.run([self._az, *arguments], check=False).returncode == 0


def value(environ: Mapping[str, str], name: str) -> str:
    """Return a value of the azd environment. Raises `HookError` if it is not set."""
    if not environ.get(name):
        raise HookError(f"{name} is not set. Run this hook with azd, or export the outputs of the deployment first.")
    return environ[name]
