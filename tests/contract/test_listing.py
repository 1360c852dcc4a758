"""The listing that reads the SDK's answers itself equals the SDK's own, on Azurite and below the SDK."""

import itertools
from collections.abc import Iterator

import pytest
from azure.core.exceptions import AzureError
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from benchmarks.scale.counting import counting
from benchmarks.scale.service import CONNECTION, StorageService
from frame_tools.storage.accounts import OPS, Account, account_from
from frame_tools.storage.blobs import BlobAccount, BlobInfo, Container
from frame_tools.storage.blobs.values import info_of
from local_cloud.cloud import Cloud

NAMES = (
    "frames/000001.jpg",
    "frames/größe & <b>'\"c.jpg",
    "frames/%41 +?#;=.jpg",
    "frames/&lt;&amp;amp;.jpg",
    "frames/🎨 \u2028.jpg",
    "frames/a/b.jpg",
    "frames/" + "n" * 900,
)
_numbers = itertools.count(1)


@pytest.fixture(params=["azurite", "service"])
def container(request: pytest.FixtureRequest) -> Iterator[Container]:
    """An empty container on Azurite, or on the service that counts requests."""
    if request.param == "azurite":
        cloud: Cloud = request.getfixturevalue("emulators")
        stored = BlobAccount(account_from(cloud.settings, OPS)).container(f"listing-{next(_numbers)}")
        stored.ensure()
        yield stored
        return
    with counting(StorageService()):
        yield on_service("listing")


def on_service(name: str) -> Container:
    return BlobAccount(Account(setting="OPS", connection_string=CONNECTION)).container(name)


def listed_by_sdk(container: Container, prefix: str) -> list[BlobInfo]:
    """Return what the SDK's own listing of properties says."""
    items = container._client.list_blobs(name_starts_with=prefix)
    return [info_of(item.name, item, etag=f'"{item.etag.strip(chr(34))}"') for item in items]


def test_every_property_is_the_one_of_the_sdk(container: Container) -> None:
    for name in NAMES:
        container.write(name, name.encode())
    container.append("frames/log", b"without a recorded MD5")
    container.write("frames/empty", b"")
    listed = list(container.list("frames/"))
    assert listed == listed_by_sdk(container, "frames/")
    assert {item.name for item in listed} == {*NAMES, "frames/log", "frames/empty"}
    assert all(item.md5 and item.created and item.modified for item in listed if item.name in NAMES)


def test_pages_continue_where_the_last_one_ended(container: Container) -> None:
    for name in NAMES:
        container.write(name, b"x")
    names, marker = list[str](), ""
    while True:
        page = container.page("frames/", marker=marker, limit=3)
        assert len(page.items) <= 3
        names += [item.name for item in page.items]
        marker = page.marker
        if not marker:
            break
    assert names == [item.name for item in listed_by_sdk(container, "frames/")]


def test_empty_and_missing_containers_have_no_blobs(container: Container) -> None:
    assert list(container.list("frames/")) == []
    assert container.page("frames/").items == ()


def test_name_that_xml_cannot_hold_is_decoded() -> None:
    """The service percent-encodes such names, which `list_blobs` decodes, too."""
    service = StorageService()
    service.container("listing").write("frames/%41\ufffe.jpg", b"x")
    with counting(service):
        container = on_service("listing")
        (item,) = container.list("frames/")
        assert item.name == "frames/%41\ufffe.jpg"
        assert [item] == listed_by_sdk(container, "frames/")


def test_page_is_requested_when_it_is_needed() -> None:
    service = StorageService()
    for number in range(12_000):
        service.container("listing").write(f"{number:06d}", b"")
    with counting(service) as requests:
        listing = on_service("listing").list("")
        next(listing)
        assert requests.kinds == {"list": 1}
        assert sum(1 for _ in listing) == 11_999
        assert requests.kinds == {"list": 3}


def answering(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service answer every request with this XML."""
    service = StorageService()

    def send(adapter: HTTPAdapter, request: PreparedRequest, *args: object, **options: object) -> Response:
        service.container("listing")
        response = service.answer(adapter, request)
        response._content = text.encode()
        return response

    monkeypatch.setattr(HTTPAdapter, "send", send)


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "'
    + "a" * 1000
    + '">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    + "]><EnumerationResults><Blobs><Blob><Name>&a9;</Name><Properties/></Blob></Blobs></EnumerationResults>"
)
EXTERNAL = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY secret SYSTEM "file:///etc/hostname">]>'
    "<EnumerationResults><Blobs><Blob><Name>&secret;</Name><Properties/></Blob></Blobs></EnumerationResults>"
)
TRUNCATED = "<EnumerationResults><Blobs><Blob><Name>a</Name>"
BARE = "<EnumerationResults><Blobs><Blob><Name>a</Name></Blob></Blobs></EnumerationResults>"


@pytest.mark.parametrize("text", [BOMB, EXTERNAL, TRUNCATED, BARE], ids=["bomb", "external", "truncated", "bare"])
def test_hostile_answer_is_an_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(text, monkeypatch)
    with pytest.raises(AzureError):
        list(on_service("listing").list(""))
