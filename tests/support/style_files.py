"""Style files of every kind."""

import io
import json
import struct
import zipfile
from typing import Any

from PIL import Image


def safetensors(*, metadata: bool = False, header: bytes | None = None, tensor_bytes: int = 8) -> bytes:
    """Return a file with one tensor of `tensor_bytes` bytes, or with another header."""
    entries: dict[str, Any] = {"w": {"dtype": "F32", "shape": [tensor_bytes // 4], "data_offsets": [0, tensor_bytes]}}
    if metadata:
        entries["__metadata__"] = {"created_by": "test"}
    encoded = json.dumps(entries).encode() if header is None else header
    return struct.pack("<Q", len(encoded)) + encoded + bytes(tensor_bytes)


def checkpoint() -> bytes:
    """Return a file that begins as torch.save writes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    return out.getvalue()


def jpeg_painting() -> bytes:
    """Return a JPEG of 20 x 16 pixels."""
    out = io.BytesIO()
    Image.new("RGB", (20, 16), "navy").save(out, "JPEG")
    return out.getvalue()
