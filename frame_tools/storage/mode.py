"""How tasks read frames: a mode that the app passes to each task in an environment variable."""

from typing import Final, Literal

StorageMode = Literal["sdk", "mount"]
"""sdk: from blobs; mount: from folders named like their containers in $AZ_BATCH_NODE_MOUNTS_DIR."""
STORAGE_MODE: Final = "STORAGE_MODE"
MOUNTS: Final = ("input", "work")
"""The containers with frames: uploaded ones, and those that a task split from a video."""
