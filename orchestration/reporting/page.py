"""The page beside a finished run's video: report.html in one file, with the pictures that tasks wrote."""

import base64
import shlex
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from frame_tools.contracts.batch_borders import spread_sample
from frame_tools.contracts.paths import PictureName, RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.trigger import Trigger
from frame_tools.storage.deployment import Storage
from orchestration.documents import parse_time
from orchestration.reporting.facts import Section, clock_text, sections

Pictures = dict[int, tuple[bytes, bytes]]
"""JPEG files of frames before and after painting, by frame index."""
_FLAGS: Final = {"image_format": "format"}
_OMITTED: Final = ("version", "style", "key_styles", "arguments", "input", "video", "frames", "rate", "label", "index")
"""Fields of a trigger file that have a syntax of their own on the command line, or none."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A frame before and after painting, as data URIs; `number` counts from 1."""

    number: int
    time: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the template shows."""

    name: str
    subtitle: str
    problem: str
    ended_at: str
    frames: int
    command: str
    sections: tuple[Section, ...]
    pairs: tuple[Pair, ...] = ()

    @property
    def shown(self) -> Pair:
        """The pair that the slider shows first: the one in the middle."""
        return self.pairs[len(self.pairs) // 2]


def render(page: Page) -> bytes:
    """Return the page as UTF-8 HTML; every value is escaped."""
    return _template().render(page=page).encode()


@cache
def _template() -> Template:
    """Return the compiled template: compiling takes longer than all else that ends a run in memory."""
    return template_environment("orchestration.reporting").get_template("report.html.jinja")


def template_environment(package: str) -> Environment:
    """Return the environment of a package's `templates`: every value is escaped, an undefined one is an error."""
    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_page(storage: Storage, report: Mapping[str, Any]) -> tuple[PictureName, ...]:
    """Write report.html to `output`, and those pictures that tasks wrote; return the names of the pictures.

    A run without a video has at most the picture of its painting and a pair of frames, which the list of runs shows.
    """
    run_id = str(report["run_id"])
    pictures, others = read_pictures(storage, report)
    written: dict[PictureName, bytes] = dict(others)
    if pictures:
        written["before"], written["after"] = pictures[sorted(pictures)[len(pictures) // 2]]
    for name, data in written.items():
        storage.output.write(RunPaths(run_id).picture(name), data)
    shown = pictures if report.get("video") is not None else {}
    storage.output.write(RunPaths(run_id).page, render(build_page(report, shown)))
    return tuple(sorted(written))


def read_pictures(storage: Storage, report: Mapping[str, Any]) -> tuple[Pictures, dict[PictureName, bytes]]:
    """Return the pairs of a run, by frame index, and its other pictures: the sheet, the painting.

    A run that redoes a part of another one has the other pairs in the folder of that run.
    """
    if "plan" not in report:
        return {}, {}
    plan = Plan.model_validate(report["plan"])
    owners = tuple(filter(None, (plan.run_id, plan.parent)))
    stored = [{item.name for item in storage.work.list(RunPaths(run_id).pairs)} for run_id in owners]
    pictures: Pictures = {}
    for index in spread_sample(plan.frame_count):
        for run_id, names in zip(owners, stored, strict=True):
            sides = [RunPaths(run_id).pair(index, "before"), RunPaths(run_id).pair(index, "after")]
            if names.issuperset(sides):
                before, after = (storage.work.need(name).data for name in sides)
                pictures[index] = before, after
                break
    return pictures, _other_pictures(storage, plan, owners, stored)


def _other_pictures(
    storage: Storage, plan: Plan, owners: Sequence[str], stored: Sequence[Set[str]]
) -> dict[PictureName, bytes]:
    """Return the sheet of the run itself, and the picture of its painting, which its parent may have, too."""
    others: dict[PictureName, bytes] = {}
    if (sheet := RunPaths(plan.run_id).pair_sheet) in stored[0]:
        others["sheet"] = storage.work.need(sheet).data
    for run_id, names in zip(owners, stored, strict=True):
        if (style := RunPaths(run_id).style_picture) in names:
            others["style"] = storage.work.need(style).data
            break
    return others


def build_page(report: Mapping[str, Any], pictures: Pictures) -> Page:
    """Return the page of a run; what the report does not have is left out."""
    trigger = _trigger(report)
    styles = ", ".join(trigger.style_files) if trigger else ""
    status = str(report["status"])
    problem = "" if status == "finished" else f"{status}: {report.get('reason', '')}. {report.get('remedy', '')}"
    ended, clip = parse_time(report.get("ended_at")), report.get("clip") or {}
    return Page(
        name=str(report.get("name") or report["run_id"]),
        subtitle=f"after {styles}" if styles else "",
        problem=problem,
        ended_at=ended.strftime("%d %B %Y, %H:%M UTC") if ended else "",
        frames=int(clip.get("frames") or 0),
        command=command(trigger, clip.get("source") or "") if trigger else f"impasto show {report['run_id']}",
        sections=sections(report),
        pairs=tuple(
            Pair(number=index + 1, time=_time_of(clip, index), before=_uri(before), after=_uri(after))
            for index, (before, after) in sorted(pictures.items())
        ),
    )


def _trigger(report: Mapping[str, Any]) -> Trigger | None:
    return Trigger.model_validate(report["options"]) if "options" in report else None


def command(trigger: Trigger, source: str) -> str:
    """Return the command that repeats a run; `source` is the video's name, if it is known."""
    argv = ["impasto", "paint", trigger.video or source or "VIDEO"]
    for keyframe in trigger.keyframes:
        flag = "-s" if keyframe.at == 0 else "--key-style"
        at = "" if keyframe.at == 0 else f"{keyframe.at:g}="
        mix = {keyframe.style: None} if isinstance(keyframe.style, str) else keyframe.style
        for style, weight in mix.items():
            argv += [flag, f"{at}{style}" + (f"={weight:g}" if weight is not None else "")]
    for name, value in trigger.model_dump(exclude_defaults=True, exclude_none=True, mode="json").items():
        if name not in _OMITTED and (name != "source" or (trigger.video and not trigger.reads_video)):
            flag = f"--{_FLAGS.get(name, name.replace('_', '-'))}"
            argv += _argument(flag, value)
    for name, argument in trigger.arguments.items():
        argv += ["--set", f"{name}={argument}"]
    return shlex.join(argv)


def _argument(flag: str, value: Any) -> list[str]:
    """Return an option of the command line."""
    if isinstance(value, bool):
        return [flag if value else flag.replace("--", "--no-", 1)]
    return [flag, f"{value:g}" if isinstance(value, float) else str(value)]


def _time_of(clip: Mapping[str, Any], index: int) -> str:
    """Return the time of a frame, as if all frames took equally long."""
    frames, seconds = clip.get("frames") or 0, clip.get("seconds") or 0.0
    return clock_text(seconds * index / (frames - 1)) if frames > 1 else clock_text(0.0)


def _uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
