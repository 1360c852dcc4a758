"""`python3 -m infra.hooks NAME`: run a hook of azure.yaml with the values of the azd environment."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from infra.hooks.azure import AzureCli, HookError
from infra.hooks.image import build_image
from infra.hooks.package import build_package, remove_packages
from infra.hooks.preflight import check_subscription
from infra.hooks.summary import print_next_steps
from infra.hooks.trigger import connect_trigger

HOOKS: Mapping[str, Callable[[AzureCli, Mapping[str, str]], None]] = {
    "preprovision": check_subscription,
    "postprovision": build_image,
    "prepackage": build_package,
    "postpackage": remove_packages,
    "postdeploy": connect_trigger,
    "postup": print_next_steps,
}


def main(arguments: Sequence[str]) -> int:
    """Run the hook that the only argument names; return 1 with a message if it fails."""
    if len(arguments) != 1 or arguments[0] not in HOOKS:
        print(f"usage: python3 -m infra.hooks {'|'.join(HOOKS)}", file=sys.stderr)
        return 2
    try:
        HOOKS[arguments[0]](AzureCli(), os.environ)
    except HookError as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
