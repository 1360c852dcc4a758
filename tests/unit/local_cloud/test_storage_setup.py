"""The local cloud makes the containers and queues that Impasto uses, although it imports nothing of it."""

from frame_tools.contracts import paths
from local_cloud.accounts import DATA_ACCOUNT, OPS_ACCOUNT
from local_cloud.storage_setup import CONTAINERS, QUEUES


def test_names_are_those_of_a_deployment() -> None:
    assert set(CONTAINERS[DATA_ACCOUNT]) == {paths.INPUT, paths.TRIGGERS, paths.WORK, paths.OUTPUT}
    assert set(CONTAINERS[OPS_ACCOUNT]) == {paths.RUNS, paths.LOGS, paths.SCRIPTS, paths.HASHES}
    assert set(QUEUES[DATA_ACCOUNT]) == {paths.BLOB_TRIGGER_POISON}
    assert set(QUEUES[OPS_ACCOUNT]) == {
        paths.FRAME_BATCHES,
        paths.FINISHED_BATCHES,
        paths.FRAME_BATCHES_POISON,
        paths.FINISHED_BATCHES_POISON,
    }
