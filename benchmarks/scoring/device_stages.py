"""Time of a frame in each stage that a GPU takes over: copies, motion and smoothing, each measured alone."""

from collections.abc import Callable

import torch

from benchmarks.scoring.timing import time_stage
from scoring.inference.transfers import transfers_for
from scoring.scorers.any_painting.scorer import GPU_FRAMES
from scoring.temporal.gpu.motion import Motions, estimate_motions, flow_images
from scoring.temporal.gpu.smoother import TensorSmoother
from scoring.types import Picture


def device_stage_times(
    inputs: list[Picture], scored: list[Picture], weight: float, device: torch.device
) -> dict[str, dict[str, float]]:
    """Return milliseconds per frame, in batches as in a task; `weight` is that of smoothing.

    `upload` and `download`: copies of one batch after the other, from and to page-locked memory. With smoothing, also
    `flow`: motion and confidence, and `follow`: averaging, anchor frames and sharpening.
    """
    batch = min(GPU_FRAMES, len(inputs))
    starts = range(0, len(inputs) - batch + 1, batch)
    transfers = transfers_for(device)

    def finish() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    with torch.inference_mode():
        pictures = [transfers.upload(inputs[start : start + batch]) for start in starts]
        finish()
        times = {
            "upload": time_stage(
                lambda start: transfers.upload(inputs[start : start + batch]), starts, finish, frames_per_call=batch
            ),
            "download": time_stage(
                lambda tensor: transfers.download(tensor).wait(), pictures, finish, frames_per_call=batch
            ),
        }
        images = flow_images(pictures[0].permute(0, 3, 1, 2))
        if not weight or images is None or batch == 1:
            return times
        motions, _ = estimate_motions(images)  # the first call makes tables that the others use
        flow = time_stage(lambda _: estimate_motions(images), starts, finish, frames_per_call=batch - 1)
        return times | {"flow": flow, "follow": _follow(scored[:batch], motions, weight, device, finish)}


def _follow(
    scored: list[Picture], motions: Motions, weight: float, device: torch.device, finish: Callable[[], None]
) -> dict[str, float]:
    """Return the time of smoothing, after one round that is not measured."""
    tensors = transfers_for(device).upload(scored).permute(0, 3, 1, 2).split(1)
    smoother = TensorSmoother(weight, device)

    def follow(place: int) -> None:
        smoother.smooth(tensors[place], motions[place - 1], place)

    for place in range(1, len(tensors)):
        follow(place)
    finish()
    return time_stage(follow, range(1, len(tensors)), finish)
