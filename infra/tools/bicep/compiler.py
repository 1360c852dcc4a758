"""Client of the Bicep compiler: one `bicep jsonrpc` process for many calls.

A call takes less than a second after the first; a process per call takes several. Messages are JSON-RPC 2.0 with a
`Content-Length` header, as in the Language Server Protocol.
https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-cli#jsonrpc
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self, cast

INSTALL = "Install it with `az bicep install`, or set BICEP to the path of the executable."
METADATA = {
    "subscriptionId": "00000000-0000-0000-0000-000000000000",
    "resourceGroup": "impasto",
    "location": "westeurope",
    "deploymentName": "main",
}
"""Where snapshots deploy to; resource names are derived from it, so it never changes."""
_OF_ENVIRONMENT = ("AZURE_", "IMPASTO_")


class BicepMissingError(Exception):
    """The Bicep compiler is not installed."""


class BicepError(Exception):
    """The compiler refuses a template, or does not answer."""


@dataclass(frozen=True)
class Diagnostic:
    """An error or warning of the compiler or its linter; `line` and `column` start at 1."""

    file: str
    line: int
    column: int
    level: str
    code: str
    message: str

    @property
    def is_fault(self) -> bool:
        """Whether the templates must change: errors, and warnings of the compiler itself, which are about types.

        A warning of a linter rule is none: bicepconfig.json decides which rules are errors.
        """
        return self.level == "Error" or self.code.startswith("BCP")

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.level} {self.code}: {self.message}"


def find_bicep(environ: Mapping[str, str]) -> Path:
    """Return the compiler: from `BICEP`, from `PATH`, or where the Azure CLI installs it.

    Raises `BicepMissingError` with the installation command if there is none.
    """
    if chosen := environ.get("BICEP"):
        executable = shutil.which(chosen, path=environ.get("PATH"))
        if executable is None:
            raise BicepMissingError(f"BICEP={chosen} is not an executable file. {INSTALL}")
        return Path(executable).resolve()
    if executable := shutil.which("bicep", path=environ.get("PATH")):
        return Path(executable)
    of_cli = Path(environ.get("HOME", ""), ".azure", "bin", "bicep")
    if of_cli.is_file():
        return of_cli
    raise BicepMissingError(f"The Bicep compiler is missing: no `bicep` on the PATH and no {of_cli}. {INSTALL}")


class Compiler:
    """A running `bicep jsonrpc` process; a context manager that ends it.

    The process does not see `AZURE_*` and `IMPASTO_*` variables, so parameter files that read them take their defaults;
    `variables` are those that it does see.
    """

    def __init__(self, executable: Path, variables: Mapping[str, str] | None = None) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OF_ENVIRONMENT)}
        self._process = subprocess.Popen(
            [executable, "jsonrpc", "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=inherited | dict(variables or {}),
        )
        self._requests = cast(IO[bytes], self._process.stdin)
        self._answers = cast(IO[bytes], self._process.stdout)
        self._calls = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        with suppress(BrokenPipeError):
            self._requests.close()
        self._answers.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def compile(self, path: Path) -> list[Diagnostic]:
        """Compile and lint a template or parameter file, with all that it refers to. Return what is wrong."""
        if path.suffix == ".bicepparam":
            answer = self._call("compileParams", path=str(path), parameterOverrides={})
        else:
            answer = self._call("compile", path=str(path))
        diagnostics = [_diagnostic(item) for item in answer["diagnostics"]]
        if not answer["success"] and not any(item.level == "Error" for item in diagnostics):
            raise BicepError(f"{path}: the compiler failed without a diagnostic")
        return diagnostics

    def format(self, path: Path) -> str:
        """Return the formatted text of a file."""
        return str(self._call("format", path=str(path))["contents"])

    def snapshot(self, path: Path) -> dict[str, Any]:
        """Return what a parameter file deploys: `predictedResources`, `outputs` and `diagnostics`.

        Raises `BicepError` if the template does not compile or refuses the parameters.
        """
        snapshot: dict[str, Any] = json.loads(self._call("getSnapshot", path=str(path), metadata=METADATA)["snapshot"])
        # The compiler lists outputs in any order.
        snapshot["outputs"] = dict(sorted(snapshot["outputs"].items()))
        return snapshot

    def _call(self, method: str, **parameters: object) -> dict[str, Any]:
        self._calls += 1
        request = {"jsonrpc": "2.0", "id": self._calls, "method": f"bicep/{method}", "params": parameters}
        body = json.dumps(request).encode()
        try:
            self._requests.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            self._requests.flush()
        except BrokenPipeError:
            raise BicepError(f"bicep ended with exit code {self._process.wait()} before {method}") from None
        answer = _read(self._answers, method)
        if "error" in answer:
            error = answer["error"]
            detail = error.get("data") or {}
            raise BicepError(detail.get("message") or error["message"])
        result: dict[str, Any] = answer["result"]
        return result


def _read(stream: IO[bytes], method: str) -> dict[str, Any]:
    """Read one message. Raises `BicepError` if the stream ends first."""
    length = 0
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    body = stream.read(length)
    if not body or len(body) < length:
        raise BicepError(f"bicep ended during {method}")
    message: dict[str, Any] = json.loads(body)
    return message


def _diagnostic(item: Mapping[str, Any]) -> Diagnostic:
    start = item["range"]["start"]
    return Diagnostic(
        item["source"], start["line"] + 1, start["char"] + 1, item["level"], item["code"], item["message"]
    )
