"""What people's steps promise on a real blob service: send what is missing, follow a run, fetch its video whole."""

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest
from PIL import Image

from frame_tools.client import api
from frame_tools.client.api import ApiClient, check_finished, follow, follow_report
from frame_tools.client.download import download
from frame_tools.client.upload import extra_files, put_trigger, upload, upload_video
from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import InputError, MissingError, TemporaryError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.trigger import Trigger
from frame_tools.media.split import split
from frame_tools.storage.blobs import Container
from frame_tools.storage.deployment import DataStorage, Storage
from local_cloud.cloud import Cloud
from tests.support.clips import Clip, Tone, make_clip

FRAMES = 6
RUN = "clip-0123456789"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def storage(emulators: Cloud) -> DataStorage:
    Storage.from_environment(emulators.settings).ensure()
    return DataStorage.from_environment(emulators.settings)


@pytest.fixture
def name() -> str:
    """A run's name that no other test uses."""
    return f"upload test {next(_numbers)}"


@pytest.fixture
def run_id(name: str) -> str:
    return ids.run_id_for(f"{name}.json", "an ETag")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A split clip with sound."""
    video = make_clip(tmp_path / "clip.mp4", Clip(frames=FRAMES, audio=(Tone(seconds=0.3),)))
    split(video, tmp_path / "split")
    return tmp_path / "split"


@pytest.fixture
def style(tmp_path: Path) -> Path:
    path = tmp_path / "starry night.png"
    Image.new("RGB", (20, 16), "orange").save(path)
    return path


def frame_file(folder: Path, number: int) -> Path:
    return folder / "frames" / f"{number:06d}.jpg"


def stored(storage: DataStorage, name: str) -> dict[str, str]:
    """ETag of what lies in the run's folder, by relative name; an ETag changes with every write."""
    prefix = paths.input_blob(name, "")
    return {item.name.removeprefix(prefix): item.etag for item in storage.input.list(prefix)}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {relative for relative, etag in after.items() if before.get(relative) != etag}


# Upload.


def test_a_split_folder_and_the_painting_arrive_whole(
    storage: DataStorage, folder: Path, style: Path, name: str
) -> None:
    shown: list[tuple[int, int]] = []
    extras = extra_files([style])
    done = upload(folder, name=name, storage=storage, extras=extras, progress=lambda *at: shown.append(at))
    local = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    local[style.name] = style
    assert set(local) >= {"manifest.json", "audio.mp4", "frames/000001.jpg", f"frames/{FRAMES:06d}.jpg"}
    assert set(stored(storage, name)) == set(local)
    for relative, path in local.items():
        assert storage.input.need(paths.input_blob(name, relative)).data == path.read_bytes()
    assert (done.files, done.sent) == (len(local), len(local))
    assert shown == [(number, len(local)) for number in range(1, len(local) + 1)]


def test_a_second_call_sends_nothing(storage: DataStorage, folder: Path, style: Path, name: str) -> None:
    first = upload(folder, name=name, storage=storage, extras=extra_files([style]))
    before = stored(storage, name)
    again = upload(folder, name=name, storage=storage, extras=extra_files([style]))
    assert (again.files, again.sent) == (first.files, 0)
    assert stored(storage, name) == before


def test_one_changed_frame_is_sent_alone(storage: DataStorage, folder: Path, name: str) -> None:
    upload(folder, name=name, storage=storage)
    before = stored(storage, name)
    path = frame_file(folder, 3)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1  # the size stays, so only the content tells
    path.write_bytes(data)
    assert upload(folder, name=name, storage=storage).sent == 1
    assert changed(before, stored(storage, name)) == {"frames/000003.jpg"}
    assert storage.input.need(paths.input_blob(name, "frames/000003.jpg")).data == data


def test_one_deleted_frame_is_sent_alone(storage: DataStorage, folder: Path, name: str) -> None:
    upload(folder, name=name, storage=storage)
    before = stored(storage, name)
    storage.input.delete(paths.input_blob(name, "frames/000002.jpg"))
    assert upload(folder, name=name, storage=storage).sent == 1
    assert changed(before, stored(storage, name)) == {"frames/000002.jpg"}


def test_frames_of_another_video_are_not_mixed_in(storage: DataStorage, folder: Path, name: str) -> None:
    storage.input.write(paths.input_blob(name, "frames/000007.jpg"), b"of a longer video")
    with pytest.raises(InputError, match="--name") as caught:
        upload(folder, name=name, storage=storage)
    assert "000007.jpg" in caught.value.what
    assert set(stored(storage, name)) == {"frames/000007.jpg"}, "nothing was sent"


def test_a_folder_whose_name_begins_alike_does_not_matter(storage: DataStorage, folder: Path, name: str) -> None:
    storage.input.write(paths.input_blob(f"{name} two", "frames/000099.jpg"), b"of another run")
    assert upload(folder, name=name, storage=storage).sent == FRAMES + 2


@pytest.mark.parametrize("lost", ["frames/000004.jpg", "audio.mp4", "manifest.json"])
def test_a_file_missing_on_disk_is_named(storage: DataStorage, folder: Path, name: str, lost: str) -> None:
    (folder / lost).unlink()
    with pytest.raises(MissingError, match=lost.rsplit("/", 1)[-1]):
        upload(folder, name=name, storage=storage)
    assert stored(storage, name) == {}


def test_a_painting_that_is_not_there_is_named(storage: DataStorage, folder: Path, name: str) -> None:
    with pytest.raises(MissingError, match=r"nowhere\.jpg"):
        extra_files([folder / "nowhere.jpg"])
    assert stored(storage, name) == {}


class Lossy(Container):
    """A container that takes one file without keeping it whole, and says nothing."""

    lost: str
    keeps = 0

    def upload_file(self, name: str, path: Path) -> None:
        if not name.endswith(self.lost):
            super().upload_file(name, path)
        elif self.keeps:
            self.write(name, path.read_bytes()[: self.keeps])


def lossy(storage: DataStorage, lost: str, *, keeps: int = 0) -> DataStorage:
    container = Lossy(storage.input._client)
    container.lost, container.keeps = lost, keeps
    return replace(storage, input=container)


@pytest.mark.parametrize("keeps", [0, 10])
def test_what_did_not_arrive_is_named_and_the_next_call_brings_it(
    storage: DataStorage, folder: Path, name: str, keeps: int
) -> None:
    with pytest.raises(TemporaryError, match=r"frames/000005\.jpg") as caught:
        upload(folder, name=name, storage=lossy(storage, "000005.jpg", keeps=keeps))
    assert "again" in caught.value.remedy
    assert upload(folder, name=name, storage=storage).sent == 1


def test_a_video_and_its_painting_are_sent_once(storage: DataStorage, folder: Path, style: Path, name: str) -> None:
    video = folder.parent / "clip.mp4"
    assert upload_video(video, name=name, storage=storage, extras=extra_files([style])).sent == 2
    before = stored(storage, name)
    assert set(before) == {"clip.mp4", style.name}
    assert upload_video(video, name=name, storage=storage, extras=extra_files([style])).sent == 0
    assert stored(storage, name) == before
    with pytest.raises(TemporaryError, match=r"clip\.mp4"):
        upload_video(video, name=f"{name} lost", storage=lossy(storage, "clip.mp4"))


# The trigger.


def test_the_trigger_says_the_run_id_of_what_is_stored(storage: DataStorage, name: str) -> None:
    trigger = Trigger(scorer="copy", frames_per_batch=2)
    first = put_trigger(storage, name=name, trigger=trigger)
    blob = storage.triggers.need(f"{name}.json")
    assert first == ids.run_id_for(f"{name}.json", blob.etag)
    assert Trigger.parse_input(blob.data, "trigger") == trigger
    second = put_trigger(storage, name=name, trigger=trigger)
    assert second == ids.run_id_for(f"{name}.json", storage.triggers.need(f"{name}.json").etag)
    assert second != first, "the same trigger put again is a new run"


def test_a_trigger_keeps_to_its_container(storage: DataStorage) -> None:
    with pytest.raises(InputError, match="run's name"):
        put_trigger(storage, name="../input/clip", trigger=Trigger(scorer="copy"))


# Download.


def put_report(storage: DataStorage, run_id: str, **words: Any) -> None:
    storage.output.write(RunPaths(run_id).report, json.dumps({"run_id": run_id, "status": "finished"} | words).encode())


class Breaking(Container):
    """A container whose downloads break off half way."""

    def download_to(self, name: str, target: IO[bytes]) -> bool:
        target.write(b"half a vi")
        raise TemporaryError("The connection was lost", "Try again")


def test_a_finished_video_is_fetched_to_a_file_or_into_a_folder(
    storage: DataStorage, run_id: str, tmp_path: Path
) -> None:
    storage.output.write(RunPaths(run_id).video("mkv"), b"the video")
    put_report(storage, run_id, video=RunPaths(run_id).video("mkv"))
    assert download(storage, run_id, tmp_path / "new" / "out.mkv") == tmp_path / "new" / "out.mkv"
    assert download(storage, run_id, tmp_path) == tmp_path / f"{run_id}.mkv"
    assert (tmp_path / "new" / "out.mkv").read_bytes() == (tmp_path / f"{run_id}.mkv").read_bytes() == b"the video"
    assert {path.name for path in tmp_path.rglob("*")} == {"new", "out.mkv", f"{run_id}.mkv"}


def test_a_download_that_breaks_off_leaves_the_old_file_alone(
    storage: DataStorage, run_id: str, tmp_path: Path
) -> None:
    storage.output.write(RunPaths(run_id).video("mp4"), b"the video")
    put_report(storage, run_id, video=RunPaths(run_id).video("mp4"))
    out = tmp_path / "out.mp4"
    out.write_bytes(b"from yesterday")
    with pytest.raises(TemporaryError):
        download(replace(storage, output=Breaking(storage.output._client)), run_id, out)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert out.read_bytes() == b"from yesterday"


def test_a_run_without_report_or_video_is_told_apart(storage: DataStorage, run_id: str, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=rf"no report yet.*watch {run_id}"):
        download(storage, run_id, tmp_path)
    put_report(storage, run_id, status="failed", video=None)
    with pytest.raises(MissingError, match=rf"made no video.*watch {run_id}"):
        download(storage, run_id, tmp_path)
    put_report(storage, run_id, video=RunPaths(run_id).video("mp4"))
    with pytest.raises(MissingError, match="not there any more"):
        download(storage, run_id, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="not a run id"):
        download(storage, "../secrets", tmp_path)


# Watching: the app's HTTP interface stood for by a server that gives prepared answers, the last one for ever.


class Answers(ThreadingHTTPServer):
    """Gives the prepared (status, body) in turn and keeps what it was asked."""

    def __init__(self, answers: list[tuple[int, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), AnswersHandler)
        self.answers = answers
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api"


class AnswersHandler(BaseHTTPRequestHandler):
    server: Answers

    def do_GET(self) -> None:
        answers = self.server.answers
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.server.asked.append((self.path, self.headers.get("x-functions-key")))
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing: the tests look at `asked`."""


@contextmanager
def app_that_answers(*answers: tuple[int, Any]) -> Iterator[Answers]:
    with Answers(list(answers)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def at(status: str, **words: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"run_id": RUN, "status": status} | words


NOT_YET = (404, {"error": "There is no run", "remedy": "Wait"})
TROUBLE = (503, b"<html>Service unavailable</html>")


def test_a_run_is_followed_through_silence_and_trouble_to_its_end() -> None:
    steps = [NOT_YET, at("scoring"), TROUBLE, at("scoring"), NOT_YET, at("joining"), at("finished", video="v")]
    with app_that_answers(*steps) as server:
        seen = list(follow(ApiClient(url=server.url + "/", key="secret"), RUN, pause=0))
    assert [status["status"] for status in seen] == ["scoring", "scoring", "joining", "finished"]
    assert seen[-1]["video"] == "v"
    assert server.asked == [(f"/api/runs/{RUN}", "secret")] * len(steps), "asked no more once the run had ended"


@pytest.mark.parametrize("end", ["finished", "failed", "refused", "cancelled"])
def test_every_end_ends_the_watch_and_only_one_is_good(end: str) -> None:
    with app_that_answers(at(end, reason="The frame 3 is damaged", remedy="Upload it again.")) as server:
        last = list(follow(ApiClient(url=server.url), RUN, pause=0))
    assert len(last) == 1
    if end == "finished":
        check_finished(last[0])
        return
    with pytest.raises(InputError, match=rf"{RUN} ended as {end}: The frame 3 is damaged\. Upload it again\."):
        check_finished(last[0])


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_key_ends_the_watch_at_once(code: int) -> None:
    with app_that_answers((code, b"")) as server, pytest.raises(InputError, match="IMPASTO_KEY"):
        list(follow(ApiClient(url=server.url), RUN, pause=0))
    assert server.asked == [(f"/api/runs/{RUN}", None)]


def test_patience_with_an_unknown_run_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PATIENCE", 0)
    with app_that_answers(NOT_YET) as server, pytest.raises(MissingError, match=RUN):
        list(follow(ApiClient(url=server.url), RUN, pause=0))


def test_patience_counts_from_the_last_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pause takes a third of the patience: short troubles add up to more than that, a long one is too much."""
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=0.0)
    monkeypatch.setattr(api, "time", clock)

    def leap(_pause: float) -> None:
        clock.now += api.PATIENCE / 3

    short = [at("scoring"), TROUBLE, NOT_YET, at("scoring"), TROUBLE, TROUBLE, at("finished")]
    with app_that_answers(*short) as server:
        assert len(list(follow(ApiClient(url=server.url), RUN, sleep=leap))) == 3
    with app_that_answers(at("scoring"), TROUBLE) as server, pytest.raises(TemporaryError, match="503"):
        list(follow(ApiClient(url=server.url), RUN, sleep=leap))
    assert len(server.asked) == 5


def test_an_app_that_never_answered_is_not_waited_for() -> None:
    with app_that_answers(TROUBLE) as server, pytest.raises(TemporaryError, match="503"):
        list(follow(ApiClient(url=server.url), RUN, sleep=lambda _: pytest.fail("it waited")))
    assert len(server.asked) == 1


def test_an_app_that_is_not_there_is_named() -> None:
    with app_that_answers(NOT_YET) as server:
        url = server.url
    with pytest.raises(TemporaryError, match=url):
        list(follow(ApiClient(url=url), RUN, pause=0))


def test_without_the_app_the_report_is_waited_for(storage: DataStorage, run_id: str) -> None:
    class Late(Container):
        looks = 0

        def read(self, name: str, **options: Any) -> Any:
            self.looks += 1
            if self.looks == 3:
                put_report(storage, run_id, status="refused", reason="No frames")
            return super().read(name, **options)

    late = Late(storage.output._client)
    report = follow_report(replace(storage, output=late), run_id, minutes=1, pause=0)
    assert (report["status"], report["reason"], late.looks) == ("refused", "No frames", 3)


def test_waiting_for_a_report_ends_in_words(storage: DataStorage, run_id: str) -> None:
    with pytest.raises(TemporaryError, match=rf"no report of {run_id} after 0 minutes"):
        follow_report(storage, run_id, minutes=0, pause=0)
