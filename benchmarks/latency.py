"""Measure the local latency from a trigger file to the first task's start, and the overhead of a run.

    .venv/bin/python -m benchmarks.latency [--rounds 5]

Starts its own local cloud, uploads frames once and writes one trigger file per round. Frames are scored with `copy`, so
that the orchestration is what is measured. Times come from the timestamps of the Batch service and of this process.
"""

import argparse
import datetime as dt
import statistics
import tempfile
import time
from pathlib import Path

import requests
from PIL import Image

from frame_tools.client.api import ApiClient
from frame_tools.client.polling import follow
from frame_tools.client.upload import put_trigger
from frame_tools.contracts import ids
from frame_tools.contracts.trigger import Trigger
from frame_tools.media.images import encode_jpeg
from frame_tools.storage.deployment import DataStorage, Storage
from local_cloud.accounts import FREE_PORTS
from local_cloud.cloud import Cloud, CloudOptions, running_cloud

FRAMES = 24


def upload(storage: Storage) -> None:
    """Upload small frames without a manifest."""
    for index in range(FRAMES):
        storage.input.write(f"latency/frames/{index:06d}.jpg", encode_jpeg(Image.new("RGB", (64, 48), (index, 0, 0))))


def first_task_start(cloud: Cloud, run_id: str) -> dt.datetime:
    """Return when the run's first task started, according to the Batch service."""
    url = f"http://127.0.0.1:{cloud.ports.batch}/jobs/{ids.job_id(run_id, 0)}/tasks"
    headers = {"Authorization": "SharedKey impastolocal:any"}
    tasks = requests.get(url, params={"api-version": "2025-06-01"}, headers=headers, timeout=10).json()["value"]
    return min(dt.datetime.fromisoformat(task["executionInfo"]["startTime"]) for task in tasks)


def measure_round(cloud: Cloud, data_storage: DataStorage, number: int) -> tuple[float, float]:
    """Return the seconds from the trigger to the first task's start, and from the trigger to the finished video."""
    trigger = Trigger.model_validate({"scorer": "copy", "rate": "25", "input": "latency", "frames_per_batch": FRAMES})
    begin = time.time()
    run_id = put_trigger(data_storage, name=f"round-{number}", trigger=trigger)
    for status in follow(ApiClient(url=cloud.api), run_id, pause=0.1):
        if status["status"] == "finished":
            break
    return first_task_start(cloud, run_id).timestamp() - begin, time.time() - begin


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_cloud(CloudOptions(folder=Path(folder), ports=FREE_PORTS, in_memory=True)) as cloud,
    ):
        storage = Storage.from_environment(cloud.settings)
        storage.ensure()
        upload(storage)
        data_storage = DataStorage.from_environment(cloud.settings)
        rounds = [measure_round(cloud, data_storage, number) for number in range(arguments.rounds)]
    for label, column in zip(("trigger to first task", "trigger to video"), zip(*rounds, strict=True), strict=True):
        print(f"{label:22} median {statistics.median(column):.2f} s, {min(column):.2f} to {max(column):.2f} s")


if __name__ == "__main__":
    main()
