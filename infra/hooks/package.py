"""The deployment package of the Function App: its Python packages, installed for the runtime in Azure."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.hooks.azure import ROOT, AzureCli, HookError
from infra.tools.page_libraries import copy_libraries, missing_libraries

PYTHON = "3.13"
"""Version of the runtime in functions.bicep."""
_TARGET = ROOT / ".python_packages"
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def remove_packages(_az: AzureCli, _environ: Mapping[str, str]) -> None:
    """Remove `.python_packages`, because a local host would load these packages, too."""
    if _TARGET.exists():
        shutil.rmtree(_TARGET)


def build_package(az: AzureCli, environ: Mapping[str, str]) -> None:
    """Copy the page's libraries, and install requirements.txt into `.python_packages` for Linux and the app's Python.

    The remote build of Flex Consumption may use another Python than the app, for which not all packages exist:
    https://github.com/Azure/azure-dev/issues/8538. Raises `HookError` if a tool is missing: npm, uv or that Python.
    """
    remove_packages(az, environ)
    provide_page_libraries(ROOT / "node_modules")
    command = [*_installer(), "--requirement", str(ROOT / "requirements.txt")]
    if subprocess.run([*command, "--target", str(_TARGET / "lib" / "site-packages")], check=False).returncode != 0:
        raise HookError(f"The packages of the app for Python {PYTHON} were not installed. Fix the error above.")
    size = sum(path.stat().st_size for path in _TARGET.rglob("*") if path.is_file())
    print(f"The packages of the app take {size / 2**20:.0f} MiB.")


def provide_page_libraries(node_modules: Path) -> None:
    """Copy the libraries of the web page into the app; npm installs those that package.json pins if one is absent."""
    if missing_libraries(node_modules):
        npm = shutil.which("npm")
        if npm is None:
            raise HookError("The libraries of the web page are installed with npm. Install Node.js 20 or newer.")
        command = [npm, "ci", "--omit=dev", "--no-audit", "--no-fund"]
        if subprocess.run(command, cwd=node_modules.parent, check=False).returncode != 0:
            raise HookError("The libraries of the web page were not installed. Fix the error above.")
    copy_libraries(node_modules)


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
