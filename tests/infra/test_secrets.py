"""No file of the repository contains a secret; keys of the storage emulator are allowed."""

import base64
import re
from collections.abc import Iterator

import pytest

from local_cloud.accounts import DATA_KEY, OPS_KEY
from tests.infra.deployments import REPOSITORY
from tests.infra.test_package import tracked

ALLOWED = {
    DATA_KEY: "Azurite's published key",
    OPS_KEY: "the key of the local cloud's second account; its decoded text says that it is no secret",
}
PATTERNS = {
    "account key": r"(?<!sha512-)(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==",
    "key in a connection string": r"AccountKey=([A-Za-z0-9+/]{20,}={0,2})",
    "signature of a SAS": r"[?&]sig=([A-Za-z0-9%+/=]{20,})",
    "shared access signature": r"SharedAccessSignature=(sv=[^\s\"';]{20,})",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "access token of a Git host": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{30,}|glpat-[\w-]{20})",
    "JSON web token": r"\beyJ[\w-]{20,}\.[\w-]{20,}\.[\w-]{10,}",
    "AWS access key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "function key": r"[?&]code=([A-Za-z0-9_\-/]{40,}={0,2})",
    "client secret": r"\b[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{31,34}",
}


def find_secrets(text: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, value) for each secret that is not allowed."""
    for kind, pattern in PATTERNS.items():
        for match in re.finditer(pattern, text):
            value = match[match.lastindex or 0]
            if value not in ALLOWED:
                yield kind, value


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """The text of each tracked file, by path."""
    paths = [name for name in tracked() if (REPOSITORY / name).is_file()]
    return {name: (REPOSITORY / name).read_bytes().decode("utf-8", "ignore") for name in paths}


def test_no_file_holds_a_secret(texts: dict[str, str]) -> None:
    assert len(texts) > 100
    assert {name: secrets for name, text in texts.items() if (secrets := list(find_secrets(text)))} == {}


def test_allowed_keys_are_in_the_example_settings(texts: dict[str, str]) -> None:
    for key in ALLOWED:
        assert key in texts["local.settings.json.example"]
    assert b"no secret" in base64.b64decode(OPS_KEY)


EXAMPLES = {
    "account key": base64.b64encode(bytes(range(64))).decode(),
    "signature of a SAS": "https://x/y?sv=1&" + "sig=" + "a" * 43 + "%3D",
    "private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "access token of a Git host": "ghp" + "_" + "a" * 36,
    "JSON web token": "eyJ" + "a" * 30 + "." + "b" * 30 + "." + "c" * 30,
    "AWS access key": "AK" + "IA" + "A" * 16,
    "function key": "https://x/api?" + "code=" + "a" * 56 + "==",
}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_each_kind_of_secret_is_found(kind: str) -> None:
    assert kind in {found for found, _ in find_secrets(f'key = "{EXAMPLES[kind]}"')}
