"""Checks of the subscription before anything is deployed: providers, features, what the region offers."""

import re
import subprocess
from collections.abc import Mapping

from infra.hooks.access import ask_on_terminal, check_access
from infra.hooks.azure import ROOT, AzureCli, HookError, value
from infra.hooks.image import content_tag
from infra.hooks.pool import pool_of

PROVIDERS = (
    "Microsoft.App",
    "Microsoft.Batch",
    "Microsoft.ContainerRegistry",
    "Microsoft.EventGrid",
    "Microsoft.Insights",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.OperationalInsights",
    "Microsoft.Portal",
    "Microsoft.Storage",
    "Microsoft.Web",
)
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}[A-Za-z0-9]")
"""What all names of main.bicep that contain the environment's name allow; azd also accepts `_`, `.` and brackets."""


def check_subscription(az: AzureCli, environ: Mapping[str, str]) -> None:
    """Ask who reaches storage, register what the templates need, check the region, and set the tag of the node image.

    Raises `HookError` if the environment's name or an address is invalid, if the region lacks Flex Consumption or the
    VM size, or if a provider cannot be registered.
    """
    location = value(environ, "AZURE_LOCATION")
    check_name(environ.get("AZURE_ENV_NAME", ""))
    pool = pool_of(environ)
    check_access(environ, ask_on_terminal(environ))
    for provider in PROVIDERS:
        _register(az, provider)
    if pool.encryption_at_host:
        _check_encryption(az)
    _check_flex(az, location)
    _check_vm_size(az, location, pool.vm_size)
    tag = content_tag(ROOT)
    subprocess.run(["azd", "env", "set", "IMPASTO_NODE_IMAGE_TAG", tag], check=True)
    print(f"The tag of the node image is {tag}.")


def check_name(name: str) -> None:
    """Check the name of the azd environment, if there is one. Raises `HookError` if resources cannot have it."""
    if name and not _ENVIRONMENT_NAME.fullmatch(name):
        raise HookError(
            f"The environment's name {name!r} cannot be part of the names of resources. Create one with `azd env new` "
            "whose name has 2 to 64 letters a-z, digits and hyphens, with a letter or digit at both ends."
        )


def _register(az: AzureCli, provider: str) -> None:
    state = az.read("provider", "show", "--namespace", provider, "--query", "registrationState", "--output", "tsv")
    if state == "Registered":
        return
    print(f"Registering {provider} (a few minutes, once per subscription).")
    if not az.run("provider", "register", "--namespace", provider, "--wait"):
        raise HookError(f"{provider} could not be registered. Ask an owner of the subscription to register it.")


def _check_encryption(az: AzureCli) -> None:
    feature = ("--namespace", "Microsoft.Compute", "--name", "EncryptionAtHost")
    if az.read("feature", "show", *feature, "--query", "properties.state", "--output", "tsv") != "Registered":
        az.run("feature", "register", *feature, "--output", "none")
        raise HookError(
            "encryptionAtHost needs the feature Microsoft.Compute/EncryptionAtHost. Its registration was requested: "
            "wait until `az feature show` says Registered (up to 15 minutes), then run `azd up` again."
        )


def _check_flex(az: AzureCli, location: str) -> None:
    listing = az.read("functionapp", "list-flexconsumption-locations", "--query", "[].name", "--output", "tsv")
    offered = sorted(name.replace(" ", "").lower() for name in (listing or "").splitlines())
    if offered and location.lower() not in offered:
        raise HookError(f"{location} does not offer Flex Consumption. Choose one of: {', '.join(offered)}.")


def _check_vm_size(az: AzureCli, location: str, size: str) -> None:
    listing = az.read("batch", "location", "list-skus", "--location", location, "--query", "[].name", "--output", "tsv")
    if listing is None:
        raise HookError(f"Batch is not available in {location}. Choose another region.")
    offered = {name.lower(): name for name in listing.splitlines()}
    if size.lower() not in offered:
        gpus = sorted(name for name in offered.values() if name.startswith("Standard_N"))
        raise HookError(f"Batch does not offer {size} in {location}. GPU sizes there: {', '.join(gpus) or 'none'}.")
