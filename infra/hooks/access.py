"""From which addresses the two storage accounts are reachable: asked once, and checked before every deployment."""

import ipaddress
import subprocess
import sys
from collections.abc import Callable, Mapping

from infra.hooks.azure import HookError

UPLOAD = "IMPASTO_UPLOAD_FROM"
OPERATE = "IMPASTO_OPERATE_FROM"
NONE = "none"
ANY = "any"
_LONGEST_PREFIX = 30
_QUESTION = (
    "From which public IPv4 address or range do you upload videos and read results? Storage is closed to all others.\n"
    "Examples: 203.0.113.7, 203.0.113.0/24, any (open to all, with sign-in), none. Address: "
)


def check_access(environ: Mapping[str, str], ask: Callable[[str], str] | None = None) -> None:
    """Ask for the address of the owner if none is set, and check the addresses that are.

    `ask` is None where nobody can answer, as in a pipeline. Raises `HookError` for an address that storage refuses.
    """
    for name, others in ((UPLOAD, {ANY, NONE}), (OPERATE, {NONE})):
        for text in filter(None, environ.get(name, "").split(",")):
            if text not in others and (problem := address_problem(text)):
                raise HookError(f"{name}: {text!r} {problem}.")
    if ask is not None and not environ.get(UPLOAD) and environ.get("IMPASTO_NETWORK") != "private":
        _store(_answer(ask), environ)


def ask_on_terminal(environ: Mapping[str, str]) -> Callable[[str], str] | None:
    """Return the function `input` if a person can answer."""
    return input if sys.stdin.isatty() and not environ.get("CI") else None


def address_problem(text: str) -> str | None:
    """Return why a firewall rule of Azure Storage cannot have this address or range, or None."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        return "is not an IPv4 address or range such as 203.0.113.7 or 203.0.113.0/24"
    if isinstance(network, ipaddress.IPv6Network):
        return "is an IPv6 address, which storage firewalls do not know"
    if "/" in text and network.prefixlen > _LONGEST_PREFIX:
        return "is a range of one or two addresses, which storage refuses; give the addresses without the slash"
    if any(network.subnet_of(private) for private in _PRIVATE):
        return "is a private address; give the public one that your network has on the internet"
    return None


_PRIVATE = tuple(ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def _answer(ask: Callable[[str], str]) -> str:
    while True:
        text = ask(_QUESTION).strip() or NONE
        problem = None if text in (ANY, NONE) else address_problem(text)
        if problem is None:
            return text
        print(f"{text!r} {problem}.")


def _store(address: str, environ: Mapping[str, str]) -> None:
    subprocess.run(["azd", "env", "set", UPLOAD, address], check=True)
    if address not in (ANY, NONE) and not environ.get(OPERATE):
        subprocess.run(["azd", "env", "set", OPERATE, address], check=True)
