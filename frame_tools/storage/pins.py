"""Comparison of blobs with the pins that a plan recorded of them."""

import hashlib
from dataclasses import replace
from typing import Final

from frame_tools.contracts.errors import DamagedError, NextStep
from frame_tools.contracts.inputs import InputPins, md5_pin
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.storage.blobs.values import BlobInfo, md5_of_bytes
from frame_tools.storage.ports import BlobContainer, BlobReader

_ETAG: Final = "etag:"
_READ_BYTES: Final = 4 * 2**20


class DamagedPinsError(DamagedError):
    """The pins of a run's input are missing or are not the planned ones."""


def pin_of(info: BlobInfo) -> str:
    """Return the pin of a blob: its MD5, so that the same file may be uploaded again, else its ETag."""
    return md5_pin(info.md5) if info.md5 is not None else f"{_ETAG}{info.etag.strip(chr(34))}"


def needs_etag(pin: str) -> bool:
    """Return whether the blob's ETag decides, not its content."""
    return pin.startswith(_ETAG)


START_ANEW: Final = (
    "Start a new run by uploading the trigger file again: storage has recorded no checksum of the original, so the same"
    " file is not recognized when it is uploaded again"
)
"""Remedy for a replaced blob that `needs_etag`."""


def matches(pin: str, data: bytes) -> bool:
    """Return whether `data` is the content that an MD5 pin records."""
    return pin == md5_pin(md5_of_bytes(data))


def has_version(pin: str, data: bytes, container: BlobContainer, name: str) -> bool:
    """Return whether `data`, just read from a blob, is the version that a pin records.

    Only a pin without an MD5 costs a request, for the blob's ETag.
    """
    if not needs_etag(pin):
        return matches(pin, data)
    info = container.info(name)
    return info is not None and pin_of(replace(info, md5=None)) == pin


def is_pinned_version(pin: str, reader: BlobReader, info: BlobInfo | None) -> bool:
    """Return whether a large blob, opened by `reader`, is the version that a pin records; `info` is the blob's."""
    if needs_etag(pin):
        return info is not None and pin_of(replace(info, md5=None)) == pin
    digest = hashlib.md5(usedforsecurity=False)
    reader.seek(0)
    while part := reader.read(_READ_BYTES):
        digest.update(part)
    reader.seek(0)
    return pin == md5_pin(digest.digest())


def read_pins(runs: BlobContainer, plan: Plan) -> InputPins | None:
    """Return the pins of a run's input; None for plans of earlier versions, which have none.

    Raises DamagedPinsError if they are missing or not the planned ones.
    """
    if plan.inputs_sha256 is None:
        return None
    name = RunPaths(plan.run_id).inputs(plan.inputs_sha256)
    blob = runs.read(name)
    pins = None if blob is None else _load(blob.data, plan.inputs_sha256)
    if pins is None:
        raise DamagedPinsError(
            f"The document runs/{name} is missing or not the planned one",
            "If frames, masks or sound were replaced since the run was planned, upload the original again. In any case,"
            " resubmit what is missing",
            next_step=NextStep.RESUBMIT,
        )
    return pins


def _load(data: bytes, digest: str) -> InputPins | None:
    """Return the pins if they can be read and have this digest."""
    try:
        pins = InputPins.load_stored(data)
    except DamagedError:
        return None
    return pins if pins.digest == digest else None


def store_pins(runs: BlobContainer, pins: InputPins) -> None:
    """Store the pins under the name that contains their digest; a damaged document there is replaced."""
    name = RunPaths(pins.run_id).inputs(pins.digest)
    if runs.create(name, pins.dumps()):
        return
    blob = runs.read(name)
    if blob is None or _load(blob.data, pins.digest) is None:
        runs.write(name, pins.dumps())
