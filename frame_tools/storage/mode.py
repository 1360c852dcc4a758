"""How tasks read frames: a word that the app hands to each of them, and the variable that it travels in."""

from typing import Final, Literal

StorageMode = Literal["sdk", "mount"]
"""sdk: from blobs. mount: from folders, each called like its container, in $AZ_BATCH_NODE_MOUNTS_DIR."""
STORAGE_MODE: Final = "STORAGE_MODE"
MOUNTS: Final = ("input", "work")
"""The containers that hold frames: those a person uploaded, and those a task made of a video."""
