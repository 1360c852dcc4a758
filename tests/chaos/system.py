"""The system under faults: a local cloud behind a storage proxy, the input of its runs, and the video to expect."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from frame_tools.client.upload import put_trigger
from frame_tools.contracts.trigger import Trigger
from frame_tools.media.split import split
from frame_tools.storage.deployment import DataStorage, Storage
from local_cloud.accounts import OPS_ACCOUNT, OPS_KEY, connection_string, storage_settings
from local_cloud.cloud import CloudOptions
from tests.support.clips import Clip, Tone, make_clip
from tests.support.ports import cloud_and_proxy_ports, forwarded
from tests.support.storage_proxy import storage_proxy
from tests.support.storage_rules import Outage, RandomSpoils
from tests.support.system import RunningSystem, digest, running_system

FRAMES = 12
OPTIONS = {"scorer": "copy", "frames_per_batch": 4}
SETTINGS = {
    "LOCAL_HOST_MESSAGE_INVISIBILITY": "5",
    "SWEEP_SCHEDULE": "*/3 * * * * *",
    "SWEEP_GRACE_SECONDS": "6",
}


@dataclass(frozen=True)
class Excuse:
    """Why a run may fail: an injected fault, and the texts of which its reason must contain one."""

    fault: str
    evidence: tuple[str, ...]


@dataclass
class Run:
    """A run of the campaign, and what may become of it because of injected faults."""

    name: str
    run_id: str
    excuses: list[Excuse] = field(default_factory=list)
    may_be_cancelled: bool = False
    plan_is_damaged: bool = False
    """Whether a fault has damaged the plan or its manifest, after which the run is planned for its present input."""
    may_be_unknown: bool = False
    """Whether the app may not know the run, because its trigger file or request was removed."""
    damaged_input: dict[str, bytes] = field(default_factory=dict)
    """Original content of input blobs that faults have changed."""

    @property
    def may_differ(self) -> bool:
        """Whether the video may be that of changed input."""
        return self.plan_is_damaged and bool(self.damaged_input)


@dataclass
class ChaosSystem:
    """A running local cloud with its proxy rules; `direct` is the storage without the proxy."""

    running: RunningSystem
    direct: Storage
    spoils: RandomSpoils
    outage: Outage
    input_files: dict[str, bytes]
    expected: str = ""

    def queue(self, name: str) -> QueueClient:
        """Return a queue of the ops account, without the proxy."""
        ports = self.running.cloud.ports
        return QueueClient.from_connection_string(
            connection_string(OPS_ACCOUNT, OPS_KEY, ports), name, message_encode_policy=TextBase64EncodePolicy()
        )

    def upload(self, name: str) -> None:
        """Upload the input of a run."""
        for file, content in self.input_files.items():
            self.direct.input.write(f"{name}/{file}", content)

    def start(self, name: str) -> Run:
        """Upload a trigger file."""
        users = DataStorage(input=self.direct.input, triggers=self.direct.triggers, output=self.direct.output)
        return Run(name, put_trigger(users, name=name, trigger=Trigger.model_validate(OPTIONS)))

    def input_blob(self, run: Run, file: str) -> str:
        """Return the input blob of a run, after recording its content, which `mend` restores."""
        blob = f"{run.name}/{file}"
        run.damaged_input.setdefault(blob, self.input_files[file])
        return blob

    def mend(self, run: Run) -> None:
        """Restore the input of a run."""
        for blob, content in run.damaged_input.items():
            self.direct.input.write(blob, content)
        run.damaged_input.clear()


@contextmanager
def chaos_system(folder: Path, seed: int) -> Iterator[ChaosSystem]:
    """Run a local cloud and a run without faults, whose video all others are compared with."""
    ports, proxy = cloud_and_proxy_ports()
    spoils, outage = RandomSpoils(seed, one_in=8, is_on=False), Outage()
    options = CloudOptions(
        folder=folder, ports=ports, proxy_ports=proxy, in_memory=True, nodes=2, slots=2, settings=SETTINGS
    )
    with storage_proxy(forwarded(proxy, ports), [outage, spoils]), running_system(options) as running:
        direct = Storage.from_environment(storage_settings(ports))
        system = ChaosSystem(running, direct, spoils, outage, _input_files(folder))
        system.upload("undisturbed")
        run = system.start("undisturbed")
        system.expected = digest(running.video(running.wait(run.run_id)))
        yield system


def _input_files(folder: Path) -> dict[str, bytes]:
    """Return the files of a split clip, by their names in the input folder."""
    tones = (Tone(seconds=0.5, language="eng"),)
    clip = make_clip(folder / "clip.mp4", Clip(frames=FRAMES, size=(96, 64), rate=Fraction(24), audio=tones))
    target = folder / "split"
    split(clip, target)
    files = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert json.loads(files["manifest.json"])
    return files
