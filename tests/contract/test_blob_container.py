"""What the handlers build on holds on a real blob service, and in the tests' memory: one winner, whole writes, …"""

import io
import itertools
import json
import random
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError, ResourceModifiedError
from hypothesis import given, settings
from hypothesis import strategies as st

from frame_tools.contracts.errors import DamagedError, MissingError
from frame_tools.storage import blobs
from frame_tools.storage.accounts import OPS, account_from
from frame_tools.storage.blobs import AlreadyThereError, BlobAccount, Container, Lease, large
from frame_tools.storage.blobs import lease as lease_module
from frame_tools.storage.in_memory import BlobStore, InMemoryContainer
from frame_tools.storage.ports import BlobContainer
from local_cloud.cloud import Cloud
from tests.support.waiting import until
from tests.support.world import in_parallel

_numbers = itertools.count(1)
WRITERS = 16


@pytest.fixture
def stored(emulators: Cloud) -> Container:
    container = BlobAccount(account_from(emulators.settings, OPS)).container(f"contract-{next(_numbers)}")
    container.ensure()
    container.ensure()
    return container


@pytest.fixture(params=["stored", "memory"])
def container(request: pytest.FixtureRequest) -> BlobContainer:
    if request.param == "memory":
        return InMemoryContainer("contract", BlobStore())
    real: Container = request.getfixturevalue("stored")
    return real


def test_read_returns_data_and_etag(container: BlobContainer) -> None:
    etag = container.write("a/b c/größe.bin", b"one")
    read = container.need("a/b c/größe.bin")
    assert (read.data, read.etag) == (b"one", etag)
    assert container.write("a/b c/größe.bin", b"two") != etag
    assert container.need("a/b c/größe.bin").data == b"two"


def test_download_returns_the_etag_of_what_it_has_read(container: BlobContainer) -> None:
    target = io.BytesIO()
    etag = container.write("video", b"frames")
    info = container.info("video")
    assert info is not None
    assert container.download_to("video", target) == etag == info.etag
    assert target.getvalue() == b"frames"
    assert container.download_to("gone", target) is None


def test_missing_blob_is_none_or_raises(container: BlobContainer) -> None:
    assert (container.read("gone"), container.info("gone"), container.exists("gone")) == (None, None, False)
    assert container.delete("gone") is False
    for look in (container.need, container.open):
        with pytest.raises(MissingError, match="gone") as raised:
            look("gone")
        assert raised.value.remedy


def test_missing_container_is_empty(stored: Container) -> None:
    nowhere = Container(stored._client)
    nowhere._client = stored._client.from_container_url(stored.url + "never", stored._client.credential)
    assert (list(nowhere.list("")), list(nowhere.folders())) == ([], [])


@pytest.mark.parametrize(("size", "limit", "read"), [(0, 5, 0), (4, 5, 4), (5, 5, 5), (6, 5, 6), (9, 5, 6), (3, 0, 1)])
def test_read_limit_returns_at_most_one_byte_more(container: BlobContainer, size: int, limit: int, read: int) -> None:
    etag = container.write("blob", bytes(size))
    blob = container.read("blob", limit=limit)
    assert blob is not None
    assert (len(blob.data), blob.etag) == (read, etag)


def test_one_of_many_creators_wins(container: BlobContainer) -> None:
    created = in_parallel([partial(container.create, "blob", b"%d" % number) for number in range(WRITERS)])
    assert created.count(True) == 1
    assert container.need("blob").data == b"%d" % created.index(True)
    assert container.create("blob", b"late") is False


def test_one_of_many_deleters_wins(container: BlobContainer) -> None:
    etag = container.write("blob", b"x")
    assert in_parallel([lambda: container.delete("blob", etag=etag)] * WRITERS).count(True) == 1


def test_delete_with_old_etag_keeps_changed_blob(container: BlobContainer) -> None:
    old = container.write("blob", b"x")
    container.write("blob", b"y")
    assert container.delete("blob", etag=old) is False
    assert container.need("blob").data == b"y"


def test_replace_needs_the_current_etag(container: BlobContainer) -> None:
    assert container.replace("blob", b"x", etag='"0x1"') is None
    assert container.exists("blob") is False
    old = container.write("blob", b"x")
    new = container.replace("blob", b"y", etag=old)
    assert new == container.need("blob").etag != old
    assert container.replace("blob", b"z", etag=old) is None
    assert container.need("blob").data == b"y"


def test_one_of_many_replacers_wins(container: BlobContainer) -> None:
    etag = container.write("blob", b"x")
    replaced = in_parallel([partial(container.replace, "blob", b"%d" % n, etag=etag) for n in range(WRITERS)])
    (winner,) = [n for n, new in enumerate(replaced) if new is not None]
    assert container.need("blob").data == b"%d" % winner


def test_list_is_ordered_and_has_the_etags_of_read(container: BlobContainer) -> None:
    names = ["frames/10.jpg", "frames/9.jpg", "frames/a/1.jpg", "frames2/1.jpg", "frames.txt"]
    for name in names:
        container.write(name, name.encode())
    listed = list(container.list("frames/"))
    assert [item.name for item in listed] == sorted(names)[1:4] == ["frames/10.jpg", "frames/9.jpg", "frames/a/1.jpg"]
    for item in listed:
        assert (item.etag, item.size) == (container.need(item.name).etag, len(item.name))
        assert item.created is not None
        info = container.info(item.name)
        assert info is not None
        assert info.etag == item.etag
    assert list(container.folders()) == ["frames", "frames2"]


def test_listed_etag_works_as_condition(container: BlobContainer) -> None:
    container.write("blob", b"x")
    (item,) = container.list("blob")
    assert container.delete("blob", etag=item.etag) is True


def test_concurrent_appends_have_no_gaps(container: BlobContainer) -> None:
    offsets = in_parallel([partial(container.append, "log", b"%015d\n" % number) for number in range(WRITERS)])
    assert sorted(offsets) == [16 * n for n in range(WRITERS)]
    data = container.need("log").data
    for number, offset in enumerate(offsets):
        assert data[offset : offset + 16] == b"%015d\n" % number


def test_rejected_append_raises_with_status(container: BlobContainer) -> None:
    container.write("log", b"a block blob")
    with pytest.raises(HttpResponseError) as raised:
        container.append("log", b"x")
    assert raised.value.status_code == 409


def test_files_round_trip(stored: Container, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(5 * 2**20 + 7)
    (tmp_path / "up").write_bytes(data)
    stored.upload_file("file", tmp_path / "up")
    target = io.BytesIO()
    info = stored.info("file")
    assert info is not None
    assert stored.download_to("file", target) == info.etag
    assert target.getvalue() == data
    assert info.md5 == blobs.md5_of(tmp_path / "up")
    assert stored.download_to("gone", io.BytesIO()) is None


def test_lease_has_one_holder(container: BlobContainer) -> None:
    barrier = threading.Barrier(4)

    def hold() -> bool:
        with container.lease("lease") as lease:
            barrier.wait(timeout=20)
            return lease is not None

    assert in_parallel([hold] * 4).count(True) == 1
    with container.lease("lease") as lease:
        assert lease is not None, "it was let go"


def test_lease_is_released_on_error(container: BlobContainer) -> None:
    with pytest.raises(ValueError, match="boom"), container.lease("lease"):
        raise ValueError("boom")
    with container.lease("lease") as lease:
        assert lease is not None


def test_lease_is_renewed_and_loss_is_detected(stored: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    with stored.lease("lease") as lease:
        assert lease is not None
        assert not lease.lost
    stored.create("lease", b"")
    client = stored._client.get_blob_client("lease").acquire_lease(lease_duration=15)
    monkeypatch.setattr(lease_module, "RENEWAL_SECONDS", 0.1)
    renewals = []
    renew = client.renew

    def counted() -> None:
        renew()
        renewals.append(time.monotonic())

    monkeypatch.setattr(client, "renew", counted)
    held = Lease(client)
    try:
        until(lambda: len(renewals) >= 2, "the lease is renewed")
        assert not held.lost
        stored._client.get_blob_client("lease").acquire_lease(lease_duration=-1, lease_id=client.id).break_lease(0)
        until(lambda: held.lost, "the loss is noticed")
    finally:
        held.close()
    assert held.lost


def _lease_forever(stored: Container, name: str) -> None:
    stored.create(name, b"")
    stored._client.get_blob_client(name).acquire_lease(lease_duration=-1)


def test_infinite_lease_of_somebody_else_is_broken(stored: Container) -> None:
    _lease_forever(stored, "lease")
    with stored.lease("lease") as lease:
        assert lease is not None
        with stored.lease("lease") as second:
            assert second is None, "the lease of another process is respected"


def test_infinite_lease_does_not_keep_a_blob_from_being_written_or_deleted(stored: Container) -> None:
    _lease_forever(stored, "blob")
    stored.write("blob", b"new")
    assert stored.need("blob").data == b"new"
    _lease_forever(stored, "blob")
    assert not stored.delete("blob", etag='"0x1"')
    assert stored.delete("blob")


def test_lease_that_expires_protects_its_blob(stored: Container) -> None:
    with stored.lease("lease"):
        for change in (partial(stored.write, "lease", b"new"), partial(stored.delete, "lease")):
            with pytest.raises(HttpResponseError):
                change()


def test_blocks_appear_when_committed(container: BlobContainer) -> None:
    one, two = container.block_writer("video"), container.block_writer("video")
    one.stage("000001", b"world")
    one.stage("000000", b"hello ")
    assert not container.exists("video")
    one.commit(["000000", "000001"])
    assert container.need("video").data == b"hello world"
    two.stage("000000", b"other")
    with pytest.raises(AlreadyThereError):
        two.commit(["000000"])
    assert container.need("video").data == b"hello world"


def test_one_of_many_commits_wins(container: BlobContainer) -> None:
    writers = [container.block_writer("video") for _ in range(8)]
    writers[0].stage("000000", b"same bytes")

    def commit(number: int) -> bool:
        try:
            writers[number].commit(["000000"])
        except AlreadyThereError:
            return False
        return True

    assert in_parallel([partial(commit, number) for number in range(8)]).count(True) == 1
    assert container.need("video").data == b"same bytes"


SIZE = 300
DATA = random.Random(2).randbytes(SIZE)
MOVES = st.lists(
    st.tuples(
        st.integers(-20, SIZE + 20), st.sampled_from([io.SEEK_SET, io.SEEK_CUR, io.SEEK_END]), st.integers(-1, 90)
    ),
    max_size=8,
)


@settings(max_examples=25)
@given(moves=MOVES, held=st.integers(1, 120))
def test_open_blob_reads_like_a_file(stored: Container, moves: list[tuple[int, int, int]], held: int) -> None:
    stored.create("data", DATA)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large, "RANGE_BYTES", held)
        reader, file = stored.open("data"), io.BytesIO(DATA)
        for offset, whence, size in moves:
            base = {io.SEEK_SET: 0, io.SEEK_CUR: file.tell(), io.SEEK_END: SIZE}[whence]
            assert reader.seek(offset, whence) == file.seek(max(0, base + offset))
            assert reader.read(size) == file.read(size)
            assert reader.tell() == file.tell()


def test_empty_blob_reads_as_empty(stored: Container) -> None:
    stored.write("empty", b"")
    reader = stored.open("empty")
    assert (reader.readable(), reader.seekable(), reader.read(), reader.readinto(bytearray(3))) == (True, True, b"", 0)


def test_blob_changed_during_read_is_damaged(stored: Container) -> None:
    stored.write("data", DATA)
    reader = stored.open("data")
    stored.write("data", DATA)
    with pytest.raises(DamagedError, match="changed while it was read") as raised:
        reader.read(10)
    assert raised.value.remedy
    assert not isinstance(raised.value, ResourceModifiedError)


def test_pages_are_the_listing_in_parts(container: BlobContainer) -> None:
    names = [f"a/{number}" for number in range(5)]
    for name in (*names, "b/0"):
        container.write(name, b"x")
    listed, marker, sizes = [], "", []
    while True:
        page = container.page("a/", marker=marker, limit=2)
        listed += [item.name for item in page.items]
        sizes.append(len(page.items))
        marker = page.marker
        if not marker:
            break
    assert (listed, sizes[:2]) == (names, [2, 2])


def test_metadata_is_in_pages_that_ask_for_it(container: BlobContainer) -> None:
    row = {"row": json.dumps({"name": "größe 🎨", "reason": " a <b> & 'c' "})}
    container.write("index/1", b"", metadata=row)
    container.write("index/2", b"")
    assert [dict(item.metadata) for item in container.page("index/", with_metadata=True).items] == [row, {}]
    assert [dict(item.metadata) for item in container.page("index/").items] == [{}, {}]
    container.write("index/1", b"again")
    assert [dict(item.metadata) for item in container.page("index/", with_metadata=True).items] == [{}, {}]


def test_folder_pages_are_the_folders_in_parts(container: BlobContainer) -> None:
    for name in ("a/1", "a/2", "b/1", "blob", "c/d/1"):
        container.write(name, b"x")
    folders: list[str] = []
    marker = ""
    while True:
        page = container.folder_page(marker=marker, limit=2)
        folders += page.items
        marker = page.marker
        if not marker:
            break
    assert folders == list(container.folders()) == ["a", "b", "c"]


def test_listing_has_the_hash_and_times_of_small_blobs(container: BlobContainer) -> None:
    container.create("created", b"one")
    container.write("written", b"two")
    listed = {item.name: item for item in container.list("")}
    assert listed["created"].md5 == blobs.md5_of_bytes(b"one")
    assert listed["written"].md5 == blobs.md5_of_bytes(b"two")
    created, written = listed["created"].modified, listed["written"].modified
    assert created is not None
    assert written is not None
    assert created <= written
