"""What a painting's run reads, made on this machine: the video with its index, or the frames of its split."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from frame_tools.client.painting import INDEX_FILE, Painting, uploaded_name
from frame_tools.client.upload import UploadResult, upload, upload_files
from frame_tools.contracts.batch_borders import planned_borders
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.video_index import VideoIndex, split_note
from frame_tools.media.files import write_atomically
from frame_tools.media.frame_folder import MANIFEST_FILE
from frame_tools.media.split import split
from frame_tools.media.video_indexing import index_video
from frame_tools.storage.deployment import DataStorage

Progress = Callable[[int], None]
Sent = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class PreparedInput:
    """The files of a video that was read, in `folder`; with an index, tasks decode `video` themselves."""

    video: Path
    folder: Path
    manifest: Manifest

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be kept of the video, or done as asked."""
        return self.manifest.notes

    def upload(
        self, storage: DataStorage, *, name: str, extras: Mapping[str, Path], progress: Sent | None = None
    ) -> UploadResult:
        """Upload the files, and `extras`, to `input/<name>/`."""
        if self.manifest.index is None:
            return upload(self.folder, name=name, storage=storage, extras=extras, progress=progress)
        files = {uploaded_name(self.video): self.video, INDEX_FILE: self.folder / MANIFEST_FILE}
        if self.manifest.audio_file:
            files[self.manifest.audio_file] = self.folder / self.manifest.audio_file
        return upload_files(files, name=name, storage=storage, extras=extras, progress=progress)

    def completed(self, painting: Painting) -> Painting:
        """Return a painting whose trigger names what was uploaded."""
        if self.manifest.index is not None:
            fields: dict[str, Any] = {"video": uploaded_name(self.video), "index": INDEX_FILE}
        else:
            fields = {"source": "frames", "video": None, "index": None}
        return replace(painting, trigger=painting.trigger.model_copy(update=fields))


def prepare_input(painting: Painting, folder: Path, progress: Progress | None = None) -> PreparedInput:
    """Index the video of a painting into `folder`, or split it if its run is to read frames, or can't read the video.

    A folder that holds the same already stays as it is. Raises what `split` raises.
    """
    video, trigger = painting.video, painting.trigger
    if not trigger.reads_video:
        manifest = split(video, folder, trigger.split_options, progress=progress)
        return PreparedInput(video=video, folder=folder, manifest=manifest)
    manifest = index_video(video, folder, trigger.split_options, progress=progress)
    index = manifest.index
    if index is not None and not index.is_decodable_by(planned_borders(trigger, manifest.frame_count, manifest.cuts)):
        manifest = _split_instead(painting, folder, index, progress)
    return PreparedInput(video=video, folder=folder, manifest=manifest)


def _split_instead(painting: Painting, folder: Path, index: VideoIndex, progress: Progress | None) -> Manifest:
    """Split a video that can't be decoded in parts; the manifest says why."""
    manifest = split(painting.video, folder, painting.trigger.split_options, progress=progress)
    manifest = manifest.with_note(split_note(index))
    write_atomically(folder / MANIFEST_FILE, manifest.dumps())
    return manifest
