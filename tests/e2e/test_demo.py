"""`impasto demo`: a local cloud of its own from start to end, in other processes, as `make demo` calls it."""

import json
import subprocess
import sys
from pathlib import Path

import av

from tests.architecture.modules import ROOT
from tests.support.clips import Clip, make_clip


def test_demo_paints_a_video(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "clip.mp4", Clip(frames=5, size=(64, 48)))
    out = tmp_path / "painted.mp4"
    argv = [sys.executable, "-m", "frame_tools", "demo", str(video), "--scorer", "copy", "-o", str(out), "--json"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events if event["event"] in ("started", "finished")] == ["started", "finished"]
    with av.open(out) as result:
        assert sum(1 for _ in result.decode(video=0)) == 5
