"""Many hostile calls at the same time in a process of limited memory: `python -m tests.support.memory_limit MIB CASE`.

The storage is in memory and shared by all calls, so its content does not count; each read returns a copy, as a download
does.
"""

import io
import json
import os
import resource
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.storage.blobs import Blob
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.resubmit import parse_resubmit_request
from orchestration.reporting.status import run_status
from tests.support.hostile_images import overlapping_tiff, plain_webp, png_with_inflating_text, webp_header
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World, frame, message

CALLS = 12
"""Calls in progress on one instance: host.json allows 12 messages of a queue and 4 trigger files."""
Call = Callable[[], object]


def _world() -> World:
    """Return a world in which each read returns a copy."""

    def copied(read: Callable[..., Blob | None], *args: Any, **options: Any) -> Blob | None:
        blob = read(*args, **options)
        return None if blob is None else replace(blob, data=bytes(bytearray(blob.data)))

    world = InMemoryCloud().world(max_open_runs=100)
    return world.intercepted("input", read=copied).intercepted("work", read=copied)


def _runs_with_styles(styles: list[bytes]) -> list[Call]:
    """Start runs whose style files are the given ones."""
    world = _world()
    calls: list[Call] = []
    for number, style in enumerate(styles):
        world.upload_frames(f"clip{number}", 2)
        world.storage.input.write(f"clip{number}/style", style)
        blob = world.upload_trigger(f"clip{number}", scorer="any", style="style")
        calls.append(lambda blob=blob: world.fire_trigger(blob))  # type: ignore[misc]
    return calls


def hostile_pictures() -> list[Call]:
    """Styles whose numbers ask for gigabytes."""
    styles = [plain_webp(8192, 8191), plain_webp(7680, 4320), overlapping_tiff(), png_with_inflating_text()]
    return _runs_with_styles([*styles, webp_header(16_383, 16_383), _photograph()] * 2)


def _photograph() -> bytes:
    """Return a JPEG of 80 megapixels."""
    out = io.BytesIO()
    Image.new("L", (10_000, 8_000)).save(out, "JPEG")
    return out.getvalue()


def large_files() -> list[Call]:
    """Styles as large as allowed."""
    return _runs_with_styles([frame(1) + bytes(49 * 2**20)] * CALLS)


def hostile_manifests() -> list[Call]:
    """Manifests whose parsed values take gigabytes."""
    world = _world()
    bodies = [
        b'{"pts":[' + b"0," * 15_000_000 + b"0]}",
        b'{"pts":[' + b"{}," * 10_000_000 + b"0]}",
        b"{" + b",".join(b'"%d":1' % key for key in range(2_500_000)) + b"}",
        _long_manifest(),
    ]
    calls: list[Call] = []
    for number in range(CALLS):
        world.upload_frames(f"clip{number}", 2, manifest=False)
        world.storage.input.write(f"clip{number}/manifest.json", bodies[number % len(bodies)])
        blob = world.upload_trigger(f"clip{number}")
        calls.append(lambda blob=blob: world.fire_trigger(blob))  # type: ignore[misc]
    return calls


def _long_manifest() -> bytes:
    """Return a valid manifest with a timestamp for each of a million frames."""
    fields = json.loads(Manifest.plain(1_000_000, Fraction(25), width=96, height=64).dumps())
    del fields["pts_step"]
    return json.dumps(fields | {"pts": list(range(0, 10**6 * 1001, 1001))}).encode()


def request_bodies() -> list[Call]:
    """HTTP bodies as large as the host accepts, which take four times as much as text."""
    body = "🎨".encode() + b"x" * 95 * 2**20
    return [lambda: parse_resubmit_request(body)] * CALLS


def joins() -> list[Call]:
    """Joins of the largest parts that the function joins."""
    world = _world()
    calls: list[Call] = []
    for number in range(CALLS):
        run_id = world.start(f"clip{number}", 40, frames_per_batch=20)
        world.deliver_messages()
        world.score(run_id, message=False)
        calls.append(lambda run_id=run_id: finish_batch(world.app, message(run_id, "advance")))  # type: ignore[misc]
        calls.append(lambda run_id=run_id: run_status(world.app, run_id))  # type: ignore[misc]
    return calls


CASES: dict[str, Callable[[], list[Call]]] = {
    case.__name__: case for case in (hostile_pictures, large_files, hostile_manifests, request_bodies, joins)
}


def _data_bytes() -> int:
    """Return the size of this process's private writable memory, which RLIMIT_DATA limits."""
    return int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Prepare the calls, limit the memory that may be added, make all calls at the same time."""
    limit, case = int(sys.argv[1]) * 2**20, sys.argv[2]
    threading.stack_size(2**20)
    calls = CASES[case]()
    most = _data_bytes() + limit
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    errors: list[BaseException] = []

    def run(call: Call) -> None:
        try:
            call()
        except InputError:
            return
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit(f"{len(errors)} of {len(calls)} calls failed, the first with {errors[0]!r}" if errors else 0)


if __name__ == "__main__":
    main()
