"""Scenes whose motion is known: a window over a wide picture, a thing that passes, and a painter that flickers."""

import cv2
import numpy as np


def wide_picture(height=160, width=400, seed=0):
    """Soft blobs of colour with fine grain, so that flow has something to hold on to."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(
            random.uniform(0, 255, (max(2, height // s), max(2, width // s), 3)), (width, height), interpolation=3
        )
        for s in (3, 8, 24)
    ]
    return np.clip(sum(layers) / 3, 0, 255).astype(np.uint8)


def pan(count, size=(96, 128), step=(3, 1), seed=0):
    """Frames of a window (height, width) that moves by `step` (x, y) pixels a frame."""
    height, width = size
    still = wide_picture(height + abs(step[1]) * count, width + abs(step[0]) * count, seed)
    return [
        np.ascontiguousarray(still[step[1] * t : step[1] * t + height, step[0] * t : step[0] * t + width])
        for t in range(count)
    ]


def flickering(frames, spread=25.0, seed=1):
    """Paint frames as a nervous painter would: other colours, and grain that changes with every frame."""
    random = np.random.default_rng(seed)
    return [
        np.clip(255 - frame + random.normal(0, spread, frame.shape), 0, 255).astype(np.uint8)
        for frame in (cv2.blur(f, (3, 3)) for f in frames)
    ]


def passing(count, size=(96, 240), step=16):
    """A bright textured square that moves right over soft dark ground, and where its left side is in each frame."""
    height, width = size
    ground = cv2.GaussianBlur(wide_picture(height, width, 5), (0, 0), 6) // 2
    thing = 255 - wide_picture(48, 48, 9) // 4
    frames, places = [], []
    for t in range(count):
        frame, left = ground.copy(), 8 + step * t
        frame[24:72, left : left + 48] = thing
        frames.append(frame)
        places.append(left)
    return frames, places
