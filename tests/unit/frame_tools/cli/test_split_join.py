"""The commands `split` and `join`: output, exit codes, and errors that name the file."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from frame_tools.contracts.errors import ExitCode
from tests.support.cli import run, run_failing
from tests.support.clips import Clip, Tone, make_clip, read_number
from tests.support.media import to_seconds

FRAMES = 7
RATE = Fraction(30000, 1001)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = Clip(frames=FRAMES, rate=RATE, audio=(Tone(seconds=0.2),))
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", clip)


@pytest.fixture
def folder(clip: Path, tmp_path: Path) -> Path:
    """The clip, split by the command."""
    assert run("split", clip, tmp_path / "split").exit_code == ExitCode.OK
    return tmp_path / "split"


def times_and_numbers(video: Path) -> list[tuple[Fraction, int]]:
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        return [
            (to_seconds(frame.pts, stream.time_base), read_number(frame.to_image()))
            for frame in container.decode(stream)
        ]


def test_join_restores_the_split_video(clip: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.mp4"
    result = run("join", folder, out)
    assert (result.exit_code, result.stderr) == (ExitCode.OK, "")
    assert result.stdout == f"7 frames, 0.234 s, 1 audio track in {out}\n"
    original = times_and_numbers(clip)
    assert [number for _, number in original] == list(range(FRAMES))
    assert times_and_numbers(out) == original
    with av.open(str(out)) as container:
        assert len(container.streams.audio) == 1


def test_split_prints_frames_and_tracks(clip: Path, tmp_path: Path) -> None:
    result = run("split", clip, tmp_path / "png", "--format", "png")
    assert (result.exit_code, result.stderr) == (ExitCode.OK, "")
    assert result.stdout == f"7 frames, 1 audio track in {tmp_path / 'png'}\n"
    assert len(list((tmp_path / "png" / "frames").glob("*.png"))) == FRAMES


def test_split_rejects_file_that_is_not_a_video(clip: Path, tmp_path: Path) -> None:
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear Theo")
    assert "letter.mp4" in run_failing(ExitCode.INPUT, "split", letter, tmp_path / "split")
    assert "nowhere.mp4" in run_failing(ExitCode.MISSING, "split", tmp_path / "nowhere.mp4", tmp_path / "split")
    assert "'jpg' or 'png'" in run_failing(ExitCode.INPUT, "split", clip, tmp_path / "split", "--format", "gif")
    assert not list(tmp_path.rglob("manifest.json"))


def test_split_leaves_unknown_files_unchanged(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "mine" / "frames").mkdir(parents=True)
    (tmp_path / "mine" / "frames" / "grandmother.jpg").write_bytes(b"dear")
    assert "grandmother.jpg" in run_failing(ExitCode.INPUT, "split", clip, tmp_path / "mine")
    assert (tmp_path / "mine" / "frames" / "grandmother.jpg").read_bytes() == b"dear"


def test_join_rejects_folder_without_manifest(tmp_path: Path) -> None:
    assert "manifest.json" in run_failing(ExitCode.MISSING, "join", tmp_path, tmp_path / "out.mp4")


def test_join_rejects_unknown_odd_size(folder: Path, tmp_path: Path) -> None:
    assert "'exact' or 'pad'" in run_failing(
        ExitCode.INPUT, "join", folder, tmp_path / "out.mp4", "--odd-size", "round"
    )


def test_join_names_invalid_frame(folder: Path, tmp_path: Path) -> None:
    out, frame = tmp_path / "out.mp4", folder / "frames" / "000003.jpg"
    data = frame.read_bytes()
    Image.new("RGB", (10, 10)).save(frame)
    assert "000003.jpg is 10x10, not 64x48" in run_failing(ExitCode.INPUT, "join", folder, out)
    frame.write_bytes(data[:100])
    assert "image" in run_failing(ExitCode.INPUT, "join", folder, out)
    frame.unlink()
    assert "000003.jpg" in run_failing(ExitCode.MISSING, "join", folder, out)
    assert [path.name for path in tmp_path.iterdir()] == ["split"], "no incomplete output is left"


def test_join_names_damaged_audio_and_manifest(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    make_clip(folder / "audio.mp4")
    assert "0 tracks; the manifest names 1" in run_failing(ExitCode.DAMAGED, "join", folder, out)
    (folder / "audio.mp4").write_bytes(b"no sound at all")
    assert "audio" in run_failing(ExitCode.DAMAGED, "join", folder, out)
    (folder / "manifest.json").write_text("{}")
    assert "manifest" in run_failing(ExitCode.INPUT, "join", folder, out)
    assert [path.name for path in tmp_path.iterdir()] == ["split"], "no incomplete output is left"


def test_split_prints_what_it_could_not_keep(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "clip.avi", Clip(frames=3, b_frames=0, audio=(Tone(seconds=0.1, codec="adpcm_ms"),)))
    result = run("split", video, tmp_path / "split")
    assert result.exit_code == ExitCode.OK
    assert "adpcm_ms" in result.stderr
    assert result.stdout.startswith("3 frames, 1 audio track")
    dropped = run("split", video, tmp_path / "split", "--sound", "drop")
    assert dropped.stdout.startswith("3 frames, 0 audio tracks")
    assert "drop" in dropped.stderr


@pytest.mark.parametrize(("name", "brand"), [("out.mp4", "mov"), ("out.mov", "mov"), ("out.mkv", "matroska")])
def test_suffix_decides_the_container(clip: Path, folder: Path, tmp_path: Path, name: str, brand: str) -> None:
    assert run("join", folder, tmp_path / name).exit_code == ExitCode.OK
    with av.open(str(tmp_path / name)) as container:
        assert container.format.name.startswith(brand)
        is_quicktime = container.metadata.get("major_brand", "").startswith("qt")
        assert is_quicktime == (name == "out.mov")
        assert len(container.streams.audio) == 1
    times = [float(time) for time, _ in times_and_numbers(tmp_path / name)]
    assert times == pytest.approx([float(time) for time, _ in times_and_numbers(clip)], abs=0.001)


def test_join_rejects_unsuitable_outputs(folder: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.mp4"
    old.write_bytes(b"old")
    assert "out.webm" in run_failing(ExitCode.INPUT, "join", folder, tmp_path / "out.webm")
    assert "--overwrite" in run_failing(ExitCode.INPUT, "join", folder, old)
    audio = folder / "audio.mp4"
    assert "is the input" in run_failing(ExitCode.INPUT, "join", folder, audio, "--overwrite")
    (tmp_path / "link.mp4").symlink_to(audio)
    assert "is the input" in run_failing(ExitCode.INPUT, "join", folder, tmp_path / "link.mp4", "--overwrite")
    assert old.read_bytes() == b"old"
    assert run("join", folder, old, "--overwrite").exit_code == ExitCode.OK
    assert len(times_and_numbers(old)) == FRAMES


def test_join_rejects_container_that_the_audio_does_not_fit(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "clip.mkv", Clip(frames=3, audio=(Tone(seconds=0.1, codec="mp2"),)))
    assert run("split", video, tmp_path / "split").exit_code == ExitCode.OK
    error = run_failing(ExitCode.INPUT, "join", tmp_path / "split", tmp_path / "out.mp4")
    assert "mp2" in error
    assert "mp4" in error
    assert run("join", tmp_path / "split", tmp_path / "out.mkv").exit_code == ExitCode.OK


def test_odd_sizes_are_padded_by_default(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "clip.mkv", Clip(frames=2, size=(35, 27)))
    run("split", video, tmp_path / "split")
    for options, expected in (((), (36, 28, "yuv420p")), (("--odd-size", "exact"), (35, 27, "yuv444p"))):
        run("join", tmp_path / "split", tmp_path / "out.mp4", "--overwrite", *options)
        with av.open(str(tmp_path / "out.mp4")) as container:
            context = container.streams.video[0].codec_context
            assert (context.width, context.height, context.pix_fmt) == expected
