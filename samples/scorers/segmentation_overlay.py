"""Tint what stands out from the colors of the frame's border, and draw its outline.

impasto scorer try samples/scorers/segmentation_overlay.py holiday.mp4 --set opacity=0.6
"""

import cv2
import numpy as np

TINT = (255, 60, 60)
MIN_SHARE = 0.002
"""Share of a frame below which a region is noise."""


def foreground(frame):
    """Return a mask, (H, W) uint8 of 0 and 255: colors far from those of the border, without small regions."""
    lab = cv2.cvtColor(frame, cv2.COLOR_RGB2LAB).astype(np.float32)
    side = max(1, min(lab.shape[:2]) // 12)
    border = np.concatenate([part.reshape(-1, 3) for part in (lab[:side], lab[-side:], lab[:, :side], lab[:, -side:])])
    distance = np.linalg.norm(lab - np.median(border, axis=0), axis=2)
    scaled = np.clip(distance * 2, 0, 255).astype(np.uint8)
    _, mask = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    kept = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= MIN_SHARE * mask.size]
    return np.isin(labels, kept).astype(np.uint8) * 255


class SegmentationOverlay:
    """Pictures with tinted regions."""

    def __init__(self, context):
        self.opacity = context.arguments.get("opacity", 0.5)
        if not isinstance(self.opacity, int | float) or not 0 <= self.opacity <= 1:
            raise ValueError(f"opacity must be a number from 0 to 1, not {self.opacity!r}")

    def score(self, frames, positions):
        """Return the frames, (B, H, W, 3) uint8, with the overlay."""
        return np.stack([self.overlay(frame) for frame in frames])

    def overlay(self, frame):
        """Return one frame with its overlay."""
        mask = foreground(frame)
        tinted = frame + self.opacity * (np.array(TINT) - frame.astype(np.float32))
        out = np.where(mask[..., None] > 0, tinted, frame).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        return cv2.drawContours(out, contours, -1, (255, 255, 255), max(1, frame.shape[0] // 360))


def load(context):
    """Return the scorer."""
    return SegmentationOverlay(context)
