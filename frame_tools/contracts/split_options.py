"""Options of a split: what is kept of a video, and in which form."""

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from frame_tools.contracts.choices import ImageFormat

Sound: TypeAlias = Literal["copy", "convert", "drop"]
ContainerChoice: TypeAlias = Literal["auto", "mp4", "mov", "mkv"]


class SplitOptions(BaseModel):
    """How a video is split; the fields are options of the trigger file, which describes them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    image_format: ImageFormat = "jpg"
    keep_location: bool = False
    sound: Sound = "copy"
    container: ContainerChoice = "auto"
