"""What the app passes to each task in environment variables: how it reads frames, and the limits of a split."""

from typing import Final, Literal

StorageMode = Literal["sdk", "mount"]
"""sdk: from blobs; mount: from folders named like their containers in $AZ_BATCH_NODE_MOUNTS_DIR."""
STORAGE_MODE: Final = "STORAGE_MODE"
MAX_FRAMES: Final = "MAX_FRAMES"
MAX_FRAME_PIXELS: Final = "MAX_FRAME_PIXELS"
MOUNTS: Final = ("input", "work")
"""The containers with frames: uploaded ones, and those that a task split from a video."""
