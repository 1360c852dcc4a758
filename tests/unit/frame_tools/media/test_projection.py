"""360° and stereoscopic video stays so: FFmpeg reads the same projection from the output as from the source."""

from pathlib import Path
from typing import cast

import av
import pytest
from av.sidedata.sidedata import SideDataContainer, Type

from frame_tools.contracts.choices import ContainerChoice
from frame_tools.contracts.media_description import Projection, StereoLayout
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.media.projection import with_projection
from tests.support.clips import Clip, make_clip
from tests.support.media import join_split

TURNED = Projection(yaw=30 * 65_536, pitch=-10 * 65_536, roll=5 * 65_536)


def side_data_of(path: Path) -> dict[Type, bytes]:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        side_data = cast(SideDataContainer, frame.side_data)  # PyAV's stub says dict[str, str]
        return {data.type: bytes(data) for data in side_data if data.type in (Type.SPHERICAL, Type.STEREO3D)}


def box_of(path: Path, kind: bytes) -> bytes:
    """Return the first box of this kind."""
    data = path.read_bytes()
    begin = data.find(kind) - 4
    return data[begin : begin + int.from_bytes(data[begin : begin + 4], "big")] if begin >= 0 else b""


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize(
    ("projection", "stereo"), [(Projection(), None), (TURNED, "top_bottom"), (None, "side_by_side")]
)
def test_projection_and_stereo_layout_are_kept(
    tmp_path: Path, projection: Projection | None, stereo: StereoLayout | None, container: ContainerChoice
) -> None:
    kinds = {kind for kind, value in ((Type.SPHERICAL, projection), (Type.STEREO3D, stereo)) if value is not None}
    source = make_clip(tmp_path / "source.mp4", Clip(muxer_options={"movflags": "disable_chpl"}))
    source.write_bytes(with_projection(source.read_bytes(), projection, stereo))
    trip = join_split(source, tmp_path, options=SplitOptions(container=container))
    assert (trip.manifest.projection, trip.manifest.stereo) == (projection, stereo)
    before, after = side_data_of(source), side_data_of(trip.result)
    assert after.keys() == before.keys() == kinds
    if container == "mkv":
        assert after == before
    else:  # FFmpeg adds Apple's boxes, which have no angles, and reads those; other players read these
        for box in (b"st3d", b"prhd", b"equi"):
            assert box_of(trip.result, box) == box_of(source, box)


def test_projection_that_mov_does_not_hold_is_noted(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "source.mp4", Clip(muxer_options={"movflags": "disable_chpl"}))
    source.write_bytes(with_projection(source.read_bytes(), Projection(), "top_bottom"))
    trip = join_split(source, tmp_path, options=SplitOptions(container="mov"))
    assert b"sv3d" not in trip.result.read_bytes()
    left_out = [note for note in trip.manifest.notes if "MOV" in note]
    assert ["360°" in note for note in left_out] == [True, False]
    assert "stereo" in left_out[1]


def test_flat_video_gets_no_projection(tmp_path: Path) -> None:
    trip = join_split(make_clip(tmp_path / "source.mp4"), tmp_path)
    assert (trip.manifest.projection, trip.manifest.stereo, side_data_of(trip.result)) == (None, None, {})
