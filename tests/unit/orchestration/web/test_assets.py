"""The files of the page: addresses with a hash of the contents, types, compression and caching."""

import gzip
from pathlib import Path

from frame_tools.costs.estimate import probe_video
from frame_tools.media.image_header import read_header
from orchestration.web.assets import HERE, assets, read_assets
from samples.scene import FRAMES
from tests.unit.orchestration.web.conftest import Fetch


def write_files(folder: Path, css: bytes) -> Path:
    for name, data in (("static/page.css", css), ("vendor/lib.js", b"1"), ("static/note.txt", b"x")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_change_of_a_file_changes_all_addresses(tmp_path: Path) -> None:
    before = read_assets(write_files(tmp_path / "a", b"a"))
    after = read_assets(write_files(tmp_path / "b", b"b"))
    assert set(before.files) == {"page.css", "vendor/lib.js"}
    assert before.version != after.version
    assert before.url("vendor/lib.js") == f"/ui/assets/{before.version}/vendor/lib.js"


def test_asset_has_type_and_may_be_kept(fetch: Fetch) -> None:
    answer = fetch("ui_assets", version=assets().version, name="impasto.css", headers={"accept-encoding": "gzip"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.get_body()) == (HERE / "static" / "impasto.css").read_bytes()


def test_browser_without_gzip_gets_plain_bytes(fetch: Fetch) -> None:
    answer = fetch("ui_assets", version=assets().version, name="page.js")
    assert "Content-Encoding" not in answer.headers
    assert answer.get_body() == (HERE / "static" / "page.js").read_bytes()


def test_unknown_files_and_versions_are_missing(fetch: Fetch) -> None:
    names = ["../functions.py", "functions.py", "nothing.css", ""]
    assert [fetch("ui_assets", version=assets().version, name=name).status_code for name in names] == [404] * 4
    assert fetch("ui_assets", version="0" * 16, name="page.js").status_code == 404


def test_samples_are_small_and_playable(fetch: Fetch) -> None:
    clip, painting = (
        fetch("ui_assets", version=assets().version, name=f"sample_{name}") for name in ("sailing.mp4", "painting.jpg")
    )
    assert (clip.headers["Content-Type"], painting.headers["Content-Type"]) == ("video/mp4", "image/jpeg")
    assert len(clip.get_body()) + len(painting.get_body()) < 500_000
    assert probe_video(HERE / "static" / "sample_sailing.mp4").frames == FRAMES
    assert read_header(painting.get_body(), max_pixels=10**6).size == (480, 480)
