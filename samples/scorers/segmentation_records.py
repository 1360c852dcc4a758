"""Describe what stands out from the colors of the frame's border: its share of the frame, and its boxes.

impasto scorer try samples/scorers/segmentation_records.py holiday.mp4
"""

import cv2
import numpy as np

MIN_SHARE = 0.002
"""Share of a frame below which a region is noise."""
MAX_BOXES = 10


class SegmentationRecords:
    """A record per frame; boxes are [left, top, width, height] in pixels, the largest region first."""

    frames_per_call = 8

    def describe(self, frames, positions):
        """Return one record for each of the frames, (B, H, W, 3) uint8."""
        return [self.record(frame) for frame in frames]

    def record(self, frame):
        """Return the record of a frame."""
        lab = cv2.cvtColor(frame, cv2.COLOR_RGB2LAB).astype(np.float32)
        side = max(1, min(lab.shape[:2]) // 12)
        border = [part.reshape(-1, 3) for part in (lab[:side], lab[-side:], lab[:, :side], lab[:, -side:])]
        distance = np.linalg.norm(lab - np.median(np.concatenate(border), axis=0), axis=2)
        scaled = np.clip(distance * 2, 0, 255).astype(np.uint8)
        _, mask = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        regions = sorted(stats[1:].tolist(), key=lambda region: -region[cv2.CC_STAT_AREA])
        large = [region for region in regions if region[cv2.CC_STAT_AREA] >= MIN_SHARE * mask.size]
        share = sum(region[cv2.CC_STAT_AREA] for region in large) / mask.size
        return {"share": round(share, 4), "boxes": [region[:4] for region in large[:MAX_BOXES]]}


def load(context):
    """Return the scorer."""
    return SegmentationRecords()
