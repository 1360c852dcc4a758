"""The schema's words on the command line: each is an option, says what the trigger file would, and is checked by it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from frame_tools.cli.options import PAINTING, argument_of, key_style_of, style_of, style_words
from frame_tools.contracts.errors import ExitCode, InputError
from frame_tools.contracts.option_specs import all_words, word_of
from frame_tools.contracts.options import Options
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.trigger import Trigger, load_trigger
from frame_tools.storage.deployment import Storage
from orchestration.handlers.resubmit import parse_resubmit_request
from tests.commands.console import RUN, refused, run
from tests.support.clips import Clip, make_clip

pytestmark = pytest.mark.usefixtures("no_settings")


def flag(word: str) -> str:
    return {"image_format": "--format"}.get(word, f"--{word.replace('_', '-')}")


# Help.


@pytest.mark.parametrize("command", ["upload", "trigger", "restyle", "resubmit"])
def test_every_option_of_the_schema_stands_in_the_help_under_its_group(command: str) -> None:
    shown = run(command, "--help").stdout
    for word in PAINTING:
        assert f"{flag(word)} " in shown
        assert f"{word_of(word).group}:" in shown
    assert "--set " in shown
    plain = " ".join(shown.split())
    assert word_of("preserve_color").meaning in plain
    assert ("[default: 1.0]" in plain) == (command != "resubmit"), "there an option left out stays as it was"


def test_no_word_of_the_schema_is_left_out() -> None:
    own = {"style", "key_styles", "arguments", "mask"}
    elsewhere = {"input", "video", "frames", "rate", "image_format", "keep_place"}
    assert {*PAINTING, *own, *elsewhere} == {word.name for word in all_words()}
    assert {*PAINTING, "arguments"} == set(Options.model_fields)


# What is said is what the trigger file says.


def said(storage: Storage, *options: object) -> Trigger:
    answer = run("trigger", "spoken", *options)
    assert answer.exit_code == ExitCode.OK, answer.stderr
    return load_trigger(storage.triggers.need("spoken.json").data)


ONE_OPTION = [word for word in all_words() if word.name not in ("style", "key_styles", "arguments")]


@pytest.mark.parametrize("word", ONE_OPTION, ids=lambda word: word.name)
def test_an_option_says_what_the_word_says(storage: Storage, word: Any) -> None:
    others: dict[str, dict[str, Any]] = {"program": {"scorer": "script"}, "rate": {"scorer": "copy"}}
    words = {"style": "a.safetensors"} | others.get(word.name, {}) | {word.name: word.example}
    options = [
        part for name, value in words.items() for part in ([flag(name)] if value is True else [flag(name), value])
    ]
    assert said(storage, *options) == Trigger.parse_input(json.dumps(words), "trigger")


def test_an_option_left_out_is_the_schemas_default(storage: Storage) -> None:
    assert said(storage, "--scorer", "copy") == Trigger(scorer="copy")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--style", "a.jpg"], {"style": "a.jpg"}),
        (["--style", "a.jpg=0.7", "--style", "b.jpg=0.3"], {"style": {"a.jpg": 0.7, "b.jpg": 0.3}}),
        (["--style", "a.jpg", "--style", "b.jpg=2"], {"style": {"a.jpg": 1.0, "b.jpg": 2.0}}),
        (["--style", "a=1.jpg"], {"style": "a=1.jpg"}),
        (["--style", "a=1.jpg=2"], {"style": {"a=1.jpg": 2.0}}),
        (
            ["--style", "a.jpg", "--key-style", "9=c.jpg", "--key-style", "4.5=b.jpg"],
            {"style": "a.jpg", "key_styles": [{"at": 4.5, "style": "b.jpg"}, {"at": 9, "style": "c.jpg"}]},
        ),
        (
            ["--key-style", "0=a.jpg", "--key-style", "2=a.jpg=1", "--key-style", "2.0=b.jpg=3"],
            {"key_styles": [{"at": 0, "style": "a.jpg"}, {"at": 2, "style": {"a.jpg": 1, "b.jpg": 3}}]},
        ),
        (
            [
                "--scorer",
                "script",
                "--program",
                "x",
                "--set",
                "a=4",
                "--set",
                "b=true",
                "--set",
                "c=x=y",
                "--set",
                "d=1.5",
            ],
            {"scorer": "script", "program": "x", "arguments": {"a": 4, "b": True, "c": "x=y", "d": 1.5}},
        ),
        (
            [
                "--scorer",
                "script",
                "--program",
                "x",
                "--set",
                "a=[1]",
                "--set",
                "b=",
                "--set",
                'c="q"',
                "--set",
                "d=null",
            ],
            {"scorer": "script", "program": "x", "arguments": {"a": "[1]", "b": "", "c": '"q"', "d": "null"}},
        ),
    ],
)
def test_styles_keys_and_arguments_have_forms_of_their_own(
    storage: Storage, options: list[str], words: dict[str, Any]
) -> None:
    assert said(storage, *options) == Trigger.parse_input(json.dumps(words), "trigger")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--style", "a.jpg=0"], "weight of 'a.jpg'"),
        (["--style", "a.jpg=nan"], "weight of 'a.jpg'"),
        (["--style", "a.jpg", "--style", "a.jpg=2"], "'a.jpg' is named twice"),
        (["--style", "a.jpg", "--key-style", "4.5"], "SECONDS=FILE"),
        (["--style", "a.jpg", "--key-style", "soon=b.jpg"], "SECONDS=FILE"),
        (["--style", "a.jpg", "--key-style", "inf=b.jpg"], "SECONDS=FILE"),
        (["--style", "a.jpg", "--key-style", "4="], "SECONDS=FILE"),
        (["--style", "a.jpg", "--key-style", "-1=b.jpg"], "key_styles.0.at"),
        (["--style", "a.jpg", "--key-style", "0=b.jpg"], "not both"),
        (["--scorer", "copy", "--set", "a"], "NAME=VALUE"),
        (["--scorer", "copy", "--set", "=1"], "NAME=VALUE"),
        (["--scorer", "copy", "--set", "a=1"], "takes no arguments"),
        (["--scorer", "script", "--program", "x", "--set", "a=NaN"], "arguments.a"),
        (["--scorer", "tunned"], "did you mean 'tuned'"),
        (["--style", "a.jpg", "--preserve-color", "lume"], "did you mean 'luma'"),
        (["--style", "a.jpg", "--size", 480, "--style-scale", 1], "size or style_scale"),
        (["--style", "a.jpg", "--steady", 1], "steady"),
        (["--scorer", "look", "--mask", "m"], "makes no pictures"),
    ],
)
def test_the_schema_checks_and_answers(storage: Storage, options: list[object], words: str) -> None:
    assert words in refused(ExitCode.INPUT, "trigger", "unspoken", *options)
    assert not storage.triggers.exists("unspoken.json")


@given(st.text(max_size=30))
def test_any_text_is_a_style_a_key_an_argument_or_refused(text: str) -> None:
    style = style_of(text)
    assert style.text in text
    assert style_words([style], [])["style"]
    for read in (key_style_of, argument_of):
        try:
            assert read(text)
        except InputError as error:
            assert "Write " in error.remedy  # noqa: PT017 - the other way out is not to raise


# What comes along.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clip = make_clip(tmp_path / "clip.mp4", Clip(frames=2))
    assert run("split", clip, tmp_path / "split").exit_code == ExitCode.OK
    return tmp_path / "split"


def picture(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (20, 16), "orange").save(path)
    return path


def test_styles_and_masks_are_uploaded_and_named_in_the_trigger(storage: Storage, folder: Path, tmp_path: Path) -> None:
    styles = [picture(tmp_path / "a" / "sea.png"), picture(tmp_path / "b" / "bay.jpg")]
    masks = [picture(tmp_path / "my masks" / f"00000{number}.png") for number in (1, 2)]
    options = ["--style", f"{styles[0]}=0.5", "--key-style", f"0.04={styles[1]}", "--mask", masks[0].parent]
    answer = run("upload", folder, "--name", "several", "--start", *options)
    assert (answer.exit_code, answer.stderr) == (ExitCode.OK, "")
    there = {item.name for item in storage.input.list("several/")} - {"several/manifest.json"}
    wanted = {"sea.png", "bay.jpg", "my masks/000001.png", "my masks/000002.png"}
    assert {name.removeprefix("several/") for name in there if "/frames/" not in name} == wanted
    trigger = load_trigger(storage.triggers.need("several.json").data)
    assert (trigger.style, trigger.mask) == ({"sea.png": 0.5}, "my masks")
    assert [(key.at, key.style) for key in trigger.key_styles] == [(0.04, "bay.jpg")]


def test_a_video_takes_its_styles_and_mask_along(storage: Storage, folder: Path, tmp_path: Path) -> None:
    clip, mask = tmp_path / "clip.mp4", make_clip(tmp_path / "mask.mp4", Clip(frames=2))
    sea = picture(tmp_path / "sea.png")
    assert run("upload", clip, "--name", "whole", "--start", "--style", sea, "--mask", mask).exit_code == ExitCode.OK
    assert {item.name for item in storage.input.list("whole/")} == {
        f"whole/{n}" for n in ("clip.mp4", "mask.mp4", "sea.png")
    }
    trigger = load_trigger(storage.triggers.need("whole.json").data)
    assert (trigger.video, trigger.style, trigger.mask) == ("clip.mp4", "sea.png", "mask.mp4")


def test_what_can_not_come_along_is_said_before_anything_is_sent(
    storage: Storage, folder: Path, tmp_path: Path
) -> None:
    one, two = picture(tmp_path / "a" / "sea.png"), picture(tmp_path / "b" / "sea.png")
    frames = picture(tmp_path / "frames" / "000001.png").parent
    clip = make_clip(tmp_path / "manifest.json.mp4", Clip(frames=2)).rename(tmp_path / "manifest.json")
    for code, options, words in [
        (ExitCode.INPUT, ["--style", one, "--key-style", f"1={two}"], "both be called 'sea.png'"),
        (ExitCode.INPUT, ["--mask", frames], "Call it masks"),
        (ExitCode.INPUT, ["--mask", clip], "both be called 'manifest.json'"),
        (ExitCode.MISSING, ["--mask", tmp_path / "nowhere"], "no mask"),
        (ExitCode.MISSING, ["--key-style", f"1={tmp_path / 'nowhere.jpg'}"], "nowhere.jpg"),
    ]:
        assert words in refused(code, "upload", folder, "--name", "nothing", *options)
    assert list(storage.input.list("nothing/")) == []


# Records are fetched, too.


def put_records(storage: Storage) -> str:
    run_id = "look-0123456789"
    storage.output.write(RunPaths(run_id).records, b'{"frame": 0}\n')
    report = {"run_id": run_id, "status": "finished", "records": RunPaths(run_id).records}
    storage.output.write(RunPaths(run_id).report, json.dumps(report).encode())
    return run_id


@pytest.mark.parametrize(
    ("out", "written"),
    [
        ("out.jsonl", "out.jsonl"),
        ("out.txt", "out.txt"),
        ("out.mp4", "out.jsonl"),
        ("o.MKV", "o.jsonl"),
        ("plain", "plain"),
    ],
)
def test_records_never_go_by_the_name_of_a_video(storage: Storage, tmp_path: Path, out: str, written: str) -> None:
    answer = run("download", put_records(storage), tmp_path / out)
    assert (answer.exit_code, answer.stdout) == (ExitCode.OK, f"{tmp_path / written}\n")
    assert [path.name for path in tmp_path.iterdir()] == [written]
    assert (tmp_path / written).read_bytes() == b'{"frame": 0}\n'


def test_records_go_into_a_folder_and_watch_names_them(storage: Storage, tmp_path: Path) -> None:
    run_id = put_records(storage)
    assert run("watch", run_id).stdout == f"finished: {run_id}/records.jsonl\n"
    assert run("download", run_id, tmp_path).stdout == f"{tmp_path / run_id}.jsonl\n"


# Resubmitting: the app's HTTP interface stood for by a server that keeps what it was sent.


class Desk(ThreadingHTTPServer):
    """Keeps (path, key, body) of each request and gives one answer."""

    def __init__(self, status: int, answer: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), DeskHandler)
        self.status, self.answer = status, answer
        self.sent: list[tuple[str, str | None, bytes]] = []

    @property
    def api(self) -> list[str]:
        return ["--api", f"http://127.0.0.1:{self.server_address[1]}/api", "--key", "secret"]


class DeskHandler(BaseHTTPRequestHandler):
    server: Desk

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.sent.append((self.path, self.headers.get("x-functions-key"), body))
        data = json.dumps(self.server.answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    with Desk(*getattr(request, "param", (202, {"run_id": "clip-ffffffffff"}))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("options", "which", "words"),
    [
        ([], "missing", {}),
        (["--which", "failed"], "failed", {}),
        (["--which", "0,3"], [0, 3], {}),
        (["--which", "7"], [7], {}),
        (
            ["--which", "all", "--strength", 0.5, "--scorer", "script", "--program", "x", "--set", "a=1", "--seed", 0],
            "all",
            {"strength": 0.5, "scorer": "script", "program": "x", "arguments": {"a": 1}, "seed": 0},
        ),
        (
            ["--which", "all", "--style-scale", 2, "--default", "size", "--default", "steady"],
            "all",
            {"style_scale": 2, "size": None, "steady": None},
        ),
    ],
)
def test_a_resubmission_says_what_the_app_understands(
    desk: Desk, options: list[object], which: object, words: dict[str, Any]
) -> None:
    answer = run("resubmit", RUN, *options, *desk.api)
    assert (answer.exit_code, answer.stdout) == (ExitCode.OK, "clip-ffffffffff\n")
    ((path, key, body),) = desk.sent
    assert (path, key) == (f"/api/runs/{RUN}/resubmit", "secret")
    wish = parse_resubmit_request(body)
    assert (wish.which, wish.options) == (which, words)


@pytest.mark.parametrize(
    "desk", [(400, {"error": "The run has no plan yet", "remedy": "Resubmit missing"})], indirect=True
)
def test_a_refusal_of_the_app_is_permanent_and_in_its_words(desk: Desk) -> None:
    assert refused(ExitCode.INPUT, "resubmit", RUN, *desk.api) == "The run has no plan yet. Resubmit missing."


@pytest.mark.parametrize("desk", [(503, {"error": "Batch is busy", "remedy": "Try again"})], indirect=True)
def test_a_passing_trouble_of_the_app_is_passing(desk: Desk) -> None:
    assert refused(ExitCode.TEMPORARY, "resubmit", RUN, *desk.api) == "Batch is busy. Try again."


def test_what_is_no_run_id_is_not_sent(desk: Desk) -> None:
    assert "is not a run id" in refused(ExitCode.INPUT, "resubmit", "../secrets", *desk.api)
    assert desk.sent == []
