"""Files beside a painted video: a second video that compares it with the original, a short loop, and the report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from frame_tools.client.comparison import CompareKind, write_comparison, write_loop
from frame_tools.client.originals import SplitVideo
from frame_tools.client.output_path import CONTAINERS, check_target
from frame_tools.contracts.errors import InputError

REPORT_SUFFIX: Final = "_report"
"""What the folder of the report is called, after the name of the video."""


@dataclass(frozen=True, kw_only=True)
class DerivedFiles:
    """Which files to write beside the painted video.

    `report` is a folder with the run's report.html and its pictures before.jpg, after.jpg and sheet.jpg.
    """

    compare: CompareKind | None = None
    gif: bool = False
    webp: bool = False
    report: bool = False

    def report_folder(self, out: Path) -> Path:
        """Return the folder of the report, for a painted video `out`."""
        return out.with_name(f"{out.stem}{REPORT_SUFFIX}")

    def loops(self, out: Path) -> list[Path]:
        """Return the paths of the loops."""
        asked = ((".gif", self.gif), (".webp", self.webp))
        return [out.with_name(f"{out.stem}{suffix}") for suffix, is_asked in asked if is_asked]

    def videos(self, out: Path) -> list[Path]:
        """Return the paths of the comparing video and the loops."""
        return [*([out.with_name(f"{out.stem}_{self.compare}{out.suffix}")] if self.compare else []), *self.loops(out)]

    def exist(self, out: Path) -> bool:
        """Return whether all of them have been written, for a painted video `out`."""
        has_report = not self.report or (self.report_folder(out) / "report.html").is_file()
        return has_report and all(path.is_file() for path in self.videos(out))

    def check(self, out: Path, *, overwrite: bool) -> None:
        """Raise InputError if `out` is no video, or if one of the files exists, without `overwrite`."""
        videos = self.videos(out)
        if videos and out.suffix.lower() not in CONTAINERS:
            raise InputError(
                f"{out.name} will be no video, so there is nothing to compare or to loop",
                "Leave out --compare, --gif and --webp.",
            )
        for target in videos:
            check_target(target, overwrite=overwrite)
        folder = self.report_folder(out)
        if self.report and folder.exists() and not (overwrite and folder.is_dir()):
            raise InputError(f"The report's folder {folder} exists", "Add --overwrite to replace the report in it.")

    def write_videos(self, painted: Path, original: Callable[[], SplitVideo]) -> list[Path]:
        """Write the comparing video and the loops of the video `painted`; `original` is called if it is needed."""
        if self.compare is not None:
            split = original()
            write_comparison(painted, split.folder, split.manifest, self.videos(painted)[0], kind=self.compare)
        for path in self.loops(painted):
            write_loop(painted, path)
        return self.videos(painted)


def choose_derived(*, compare: Any = None, gif: bool = False, webp: bool = False, report: bool = False) -> DerivedFiles:
    """Return the files to write; raises InputError for a comparison that does not exist."""
    if compare not in (None, "side", "wipe"):
        raise InputError(f"There is no comparison {str(compare)[:40]!r}", 'Use "side" or "wipe".')
    return DerivedFiles(compare=compare, gif=gif, webp=webp, report=report)
