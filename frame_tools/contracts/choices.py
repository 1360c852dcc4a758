"""Closed sets of values that several documents and packages share, and limits that both app and nodes apply."""

from typing import Final, Literal

ImageFormat = Literal["jpg", "png"]
"""How frames are stored."""
OddSize = Literal["exact", "pad"]
"""Odd widths and heights: kept (4:4:4), or padded to even ones (4:2:0)."""
PreserveColor = Literal["no", "luma", "statistics"]
StrokeName = Literal["fine", "medium", "broad"]
"""Sizes of strokes that have a name; the option also takes numbers."""
StatisticsScope = Literal["shared", "frame"]
BadFramePolicy = Literal["fail", "original", "previous"]
"""What replaces a bad output frame: nothing (the run fails), the input frame, or the previous output frame."""
BadFrameAction = Literal["retried", "original", "previous"]
"""What was done about a bad output frame."""
Makes = Literal["pictures", "records"]
"""What a scorer makes of its frames: pictures, or one JSON record each."""
StyleKind = Literal["painting", "tuned", "checkpoint"]
ProgramKind = Literal["script", "torchscript", "exported"]
ProgramSource = Literal["setting", "blob"]
"""Where the operator's list of programs is: in the setting ALLOWED_PROGRAMS, or in the container `scripts`."""
Precision = Literal["float32", "float16"]
"""Precision in which a model computes: float16 only on a GPU, and only if its first frame comes out the same."""
VideoContainer = Literal["mp4", "mov", "mkv"]
ContainerChoice = Literal["auto", "mp4", "mov", "mkv"]
"""Container of the output; auto: MP4, or Matroska where only that holds a sound without conversion."""
Sound = Literal["copy", "convert", "drop"]
"""Sound of the output: copied where players decode it there (else converted), always converted, or left out."""
HdrChoice = Literal["tonemap", "refuse"]
"""What becomes of HDR video: tone-mapped to SDR, or refused."""
Deinterlace = Literal["on", "off"]
"""Whether interlaced frames become progressive ones, or keep both fields."""
FrameOrigin = Literal["frames", "video"]
"""What tasks read: frames that are stored as files, or the video, of which each decodes its part."""
DamageChoice = Literal["auto", "keep", "refuse"]
"""Damaged frames: kept, refused, or with auto kept in the first and last group of pictures of broadcast recordings."""
InputContainer = Literal["input", "work"]
"""Blob containers that hold what tasks read."""
RunOutcome = Literal["finished", "failed", "refused", "cancelled"]
"""How a run ends."""
TERMINAL_STATES: Final[frozenset[str]] = frozenset({"finished", "failed", "refused", "cancelled"})

MAX_FRAME_BYTES: Final = 200 * 2**20
"""Size of one frame file."""
