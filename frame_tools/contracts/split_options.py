"""Options of a split: what is kept of a video, and in which form."""

from pydantic import BaseModel, ConfigDict

from frame_tools.contracts.choices import ContainerChoice, DamageChoice, Deinterlace, HdrChoice, ImageFormat, Sound


class SplitOptions(BaseModel):
    """How a video is split; the fields are options of the trigger file, which describes them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    image_format: ImageFormat = "jpg"
    keep_location: bool = False
    sound: Sound = "copy"
    container: ContainerChoice = "auto"
    damaged: DamageChoice = "auto"
    deinterlace: Deinterlace = "on"
    hdr: HdrChoice = "tonemap"
