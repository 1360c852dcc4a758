"""The running system without faults: a trigger file in, a video with its timestamps and audio out."""

import json
from pathlib import Path

import av
import pytest
from PIL import Image

from frame_tools.contracts import ids
from frame_tools.contracts.paths import RunPaths
from tests.support.clips import read_number
from tests.support.media import to_seconds
from tests.support.system import RunningSystem, digest, upload_split


def timestamps(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [float(to_seconds(frame.pts, stream.time_base)) for frame in container.decode(stream)]


def numbers(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [read_number(frame.to_image()) for frame in container.decode(video=0)]


def audio_packets(path: Path) -> list[list[tuple[int, bytes]]]:
    """Return the packets of each audio track: timestamp and content."""
    with av.open(str(path)) as container:
        return [
            [(p.pts, bytes(p)) for p in _demux(path, stream.index) if p.pts is not None]
            for stream in container.streams.audio
        ]


def _demux(path: Path, index: int):
    with av.open(str(path)) as container:
        yield from container.demux(container.streams[index])


def test_restyle_keeps_timestamps_and_audio(system: RunningSystem, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    done = system.command(
        "restyle", str(clip), "--out", str(out), "--scorer", "copy", "--frames-per-batch", "7",
        "--scratch", str(tmp_path / "scratch"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + system.log()
    assert done.stdout.strip() == str(out)
    assert numbers(out) == list(range(36))
    assert timestamps(out) == timestamps(clip)
    assert audio_packets(out) == audio_packets(clip)
    assert len(audio_packets(out)) == 2


def test_cloud_split_equals_local_split(system: RunningSystem, clip: Path, split_clip: Path) -> None:
    upload_split(system, split_clip, "at-home")
    at_home = system.wait(system.start("at-home", scorer="copy", frames_per_batch=9))
    system.user_storage.input.write("in-cloud/clip.mp4", clip.read_bytes())
    options = {"scorer": "copy", "frames_per_batch": 9, "video": "clip.mp4", "source": "frames"}
    in_cloud = system.wait(system.start("in-cloud", **options))
    assert digest(system.video(in_cloud)) == digest(system.video(at_home))


def test_frames_without_manifest_need_a_rate(system: RunningSystem, split_clip: Path, tmp_path: Path) -> None:
    for number, frame in enumerate(sorted((split_clip / "frames").iterdir())):
        system.user_storage.input.write(f"plain/frames/img_{number + 5}.jpg", frame.read_bytes())
    system.user_storage.triggers.write("plain.json", b'{"scorer": "copy", "rate": "12.5", "frames_per_batch": 20}')
    run_id = ids.run_id_for("plain.json", system.user_storage.triggers.need("plain.json").etag)
    out = tmp_path / "plain.mp4"
    out.write_bytes(system.video(system.wait(run_id)))
    assert numbers(out) == list(range(36))
    assert timestamps(out) == pytest.approx([i / 12.5 for i in range(36)])


def test_style_transfer_respects_strength(system: RunningSystem, split_clip: Path, tmp_path: Path) -> None:
    painting = Image.effect_noise((160, 120), 90).convert("RGB").point([min(255, 2 * v) for v in range(256)] * 3)
    painting.save(tmp_path / "painting.png")
    done = system.command("upload", str(split_clip), "--name", "painted", "--style", str(tmp_path / "painting.png"))
    assert done.returncode == 0, done.stderr
    for name, strength in (("full", 1.0), ("none", 0.0)):
        run_id = system.start(name, input="painted", style="painting.png", strength=strength, frames_per_batch=18)
        (tmp_path / f"{name}.mp4").write_bytes(system.video(system.wait(run_id)))
    original = first_frame(split_clip / "frames" / "000001.jpg")
    assert difference(first_frame(tmp_path / "none.mp4"), original) < 4
    assert difference(first_frame(tmp_path / "full.mp4"), original) > 20
    report = system.report(run_id)
    assert report["scoring"]["frames"] == 36
    assert report["plan"]["weights_sha256"]
    lines = system.storage.logs.need(RunPaths(run_id).timing_log("b00001")).data.decode().splitlines()
    start, end = report["plan"]["borders"][1:]
    assert [json.loads(line)["frame"] for line in lines] == list(range(start, end))
    assert (start, end) == (pytest.approx(18, abs=4), 36), "the middle, or a scene cut near it"


def first_frame(path: Path) -> Image.Image:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_image()


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean absolute difference of two images, in levels of 0 to 255."""
    pairs = zip(one.convert("RGB").tobytes(), other.convert("RGB").tobytes(), strict=True)
    total = [abs(a - b) for a, b in pairs]
    return sum(total) / len(total)


def test_large_video_is_joined_by_a_task(system: RunningSystem, split_clip: Path, tmp_path: Path) -> None:
    from local_cloud.accounts import FREE_PORTS
    from local_cloud.cloud import CloudOptions
    from tests.support.system import running_system

    upload_split(system, split_clip, "small")
    small = digest(system.video(system.wait(system.start("small", scorer="copy", frames_per_batch=12))))
    options = CloudOptions(folder=tmp_path, ports=FREE_PORTS, in_memory=True, settings={"JOIN_IN_FUNCTION_BYTES": "1"})
    with running_system(options) as other:
        upload_split(other, split_clip, "large")
        run_id = other.start("large", scorer="copy", frames_per_batch=12)
        assert digest(other.video(other.wait(run_id))) == small
        assert other.storage.logs.exists(f"{RunPaths(run_id).task_output_folder('join')}/stdout.txt")
