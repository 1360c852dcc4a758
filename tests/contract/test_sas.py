"""A guest's signed URLs on a real blob service: what they open, what they do not, signed by key and by identity."""

import base64
import datetime as dt
import ipaddress
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import HttpResponseError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from frame_tools.client.upload import put_trigger, upload_video
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.trigger import Trigger
from frame_tools.storage.accounts import DATA, Account, account_from
from frame_tools.storage.blobs import BlobAccount, SignedLinks
from frame_tools.storage.deployment import DataStorage
from frame_tools.storage.sas import GRANTS, guest_settings
from local_cloud.accounts import DATA_ACCOUNT, DATA_KEY
from local_cloud.cloud import AZURITE, PROJECT, Cloud
from local_cloud.service_process import ServiceProcess


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, kw_only=True)
class SelfSigned(Account):
    """An account entered with a token that Azurite takes: the right audience and issuer, any signature."""

    def credential(self) -> TokenCredential:
        return self

    def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        begin, end = now() - dt.timedelta(minutes=5), now() + dt.timedelta(hours=1)
        claims = {
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
            "nbf": int(begin.timestamp()),
            "iat": int(begin.timestamp()),
            "exp": int(end.timestamp()),
            "oid": "23657296-5cd5-45b0-a809-d972a7f4dfe1",
            "tid": "ab1f708d-50f6-404c-a006-d71b2ac7a606",
        }
        parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)] + [b"any"]
        token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        return AccessToken(token, int(end.timestamp()))


@pytest.fixture(scope="module")
def by_identity(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobAccount]:
    """Azurite over https, which takes tokens, with an account that has no key of its own."""
    folder = tmp_path_factory.mktemp("https")
    certificate(folder)
    argv = [str(AZURITE), "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--oauth", "basic"]
    argv += ["--cert", str(folder / "cert.pem"), "--key", str(folder / "key.pem")]
    for service in ("blob", "queue", "table"):
        argv += [f"--{service}Host", "127.0.0.1", f"--{service}Port", "0"]
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{DATA_ACCOUNT}:{DATA_KEY}"}
    azurite = ServiceProcess(
        "Azurite",
        argv,
        cwd=PROJECT,
        env=environment,
        log=folder / "azurite.log",
        ready="Table service is successfully listening",
    )
    azurite.start()
    url = next(
        line.rsplit(" ", 1)[1] for line in azurite.output().splitlines() if "Blob service is successfully" in line
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("REQUESTS_CA_BUNDLE", str(folder / "cert.pem"))
        yield BlobAccount(SelfSigned(setting=DATA, blob_url=f"{url}/{DATA_ACCOUNT}"))
    azurite.stop()


@pytest.fixture(params=["key", "identity"])
def account(request: pytest.FixtureRequest) -> BlobAccount:
    """The operator's view of the data account."""
    if request.param == "identity":
        entered: BlobAccount = request.getfixturevalue("by_identity")
    else:
        cloud: Cloud = request.getfixturevalue("emulators")
        entered = BlobAccount(account_from(cloud.settings, DATA))
    for door in GRANTS:
        entered.container(door.container).ensure()
    return entered


def test_sas_urls_allow_upload_start_and_download(account: BlobAccount, tmp_path: Path) -> None:
    guest = DataStorage.from_environment(guest_settings(account, hours=1, now=now()))
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"a video")
    assert upload_video(video, name="guest", storage=guest).sent == 1
    assert upload_video(video, name="guest", storage=guest).sent == 0
    run_id = put_trigger(guest, name="guest", trigger=Trigger(scorer="copy", video="clip.mp4"))
    account.container("output").write(f"{run_id}/report.json", b"{}")
    assert guest.output.need(f"{run_id}/report.json").data == b"{}"


def test_sas_urls_allow_nothing_else(account: BlobAccount) -> None:
    guest = DataStorage.from_environment(guest_settings(account, hours=1, now=now()))
    account.container("input").write("other/secret.jpg", b"theirs")
    account.container("output").write("other-0123456789/video.mp4", b"v")
    for forbidden in (
        lambda: guest.input.read("other/secret.jpg"),
        lambda: guest.input.delete("other/secret.jpg"),
        lambda: list(guest.triggers.list("")),
        lambda: guest.output.write("other-0123456789/video.mp4", b"mine"),
        lambda: guest.output.delete("other-0123456789/video.mp4"),
        lambda: list(guest.output.list("")),
    ):
        with pytest.raises(HttpResponseError) as refused:
            forbidden()
        assert refused.value.status_code == 403


def test_link_opens_one_blob_for_what_it_is_for(account: BlobAccount) -> None:
    container, links = account.container("input"), SignedLinks(account)
    url, expires = links.upload("input", "my clips/a+b.mp4", now=now())
    assert dt.timedelta(hours=1) <= expires - now() <= dt.timedelta(hours=2)
    assert requests.put(url, data=b"whole", headers={"x-ms-blob-type": "BlockBlob"}, timeout=10).status_code == 201
    block = base64.b64encode(b"0001").decode()
    assert requests.put(f"{url}&comp=block&blockid={block}", data=b"in blocks", timeout=10).status_code == 201
    commit = f"<BlockList><Latest>{block}</Latest></BlockList>"
    assert requests.put(f"{url}&comp=blocklist", data=commit, timeout=10).status_code == 201
    assert container.need("my clips/a+b.mp4").data == b"in blocks"
    for other in (url, url.replace("a%2Bb.mp4", "other.mp4"), url.replace("/input/", "/output/")):
        assert requests.get(other, timeout=10).status_code == 403
    reading = links.view("input", "my clips/a+b.mp4", now=now())
    assert requests.get(reading, timeout=10).content == b"in blocks"
    assert requests.put(reading, data=b"", headers={"x-ms-blob-type": "BlockBlob"}, timeout=10).status_code == 403


def test_sas_urls_expire(account: BlobAccount) -> None:
    yesterday = now() - dt.timedelta(hours=2)
    guest = DataStorage.from_environment(guest_settings(account, hours=1, now=yesterday))
    with pytest.raises(HttpResponseError) as refused:
        guest.input.write("late.jpg", b"")
    assert refused.value.status_code == 403


def test_incomplete_sas_settings_are_named(account: BlobAccount) -> None:
    some = guest_settings(account, hours=1, now=now())
    del some["IMPASTO_OUTPUT_URL"]
    with pytest.raises(InputError, match="IMPASTO_OUTPUT_URL"):
        DataStorage.from_environment(some)
    with pytest.raises(InputError, match="SAS URL"):
        DataStorage.from_environment({**some, "IMPASTO_OUTPUT_URL": "nonsense"})
    with pytest.raises(InputError, match="0 hours"):
        guest_settings(account, hours=0, now=now())


def certificate(folder: Path) -> None:
    """Write a self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    created = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - dt.timedelta(days=1))
        .not_valid_after(now() + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(created.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
