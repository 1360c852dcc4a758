"""Age of queued messages on Azurite."""

from frame_tools.contracts.messages import BatchMessage
from tests.support.waiting import until
from tests.support.world import World


def test_queue_age_is_that_of_the_oldest_message(world: World) -> None:
    queue = world.storage.frame_batches
    assert queue.age_of_oldest().total_seconds() == 0
    run_id = world.start("clip")
    until(lambda: queue.age_of_oldest().total_seconds() >= 1, "the first message is a second old")
    assert BatchMessage.parse(queue.oldest()[0]).run_id == run_id
