"""The deployment package of the Function App: its Python packages, installed for the runtime in Azure."""

import shutil
import subprocess
import sys
from collections.abc import Mapping

from infra.hooks.azure import ROOT, AzureCli, HookError

PYTHON = "3.13"
"""Version of the runtime in functions.bicep."""
_TARGET = ROOT / ".python_packages"
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def remove_packages(_az: AzureCli, _environ: Mapping[str, str]) -> None:
    """Remove `.python_packages`, because a local host would load these packages, too."""
    if _TARGET.exists():
        shutil.rmtree(_TARGET)


def build_package(az: AzureCli, environ: Mapping[str, str]) -> None:
    """Install requirements.txt into `.python_packages`, as wheels for Linux and the Python of the app.

    The remote build of Flex Consumption may use another Python than the app, for which not all packages exist:
    https://github.com/Azure/azure-dev/issues/8538. Raises `HookError` if there is neither uv nor that Python.
    """
    remove_packages(az, environ)
    command = [*_installer(), "--requirement", str(ROOT / "requirements.txt")]
    if subprocess.run([*command, "--target", str(_TARGET / "lib" / "site-packages")], check=False).returncode != 0:
        raise HookError(f"The packages of the app for Python {PYTHON} were not installed. Fix the error above.")
    size = sum(path.stat().st_size for path in _TARGET.rglob("*") if path.is_file())
    print(f"The packages of the app take {size / 2**20:.0f} MiB.")


def _installer() -> list[str]:
    if uv := shutil.which("uv"):
        platform = ["--python-version", PYTHON, "--python-platform", "x86_64-manylinux_2_28"]
        return [uv, "pip", "install", "--quiet", *platform, "--only-binary", ":all:"]
    # pip evaluates the markers of requirements for the Python that runs it.
    python = _find_python()
    if python is None:
        raise HookError(f"The package of the app is built with uv or with Python {PYTHON}. Install one of them.")
    options = [option for platform in _PLATFORMS for option in ("--platform", platform)]
    return [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        *options,
    ]


def _find_python() -> str | None:
    if ".".join(map(str, sys.version_info[:2])) == PYTHON:
        return sys.executable
    return shutil.which(f"python{PYTHON}")
