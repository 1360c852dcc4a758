"""Age of queued messages on Azurite."""

from tests.support.waiting import until
from tests.support.world import World, message


def test_queue_age_is_that_of_the_oldest_message(world: World) -> None:
    queue = world.storage.frame_batches
    assert queue.age_of_oldest().total_seconds() == 0
    run_id = world.start("clip")
    until(lambda: queue.age_of_oldest().total_seconds() >= 1, "the first message is a second old")
    assert queue.oldest()[0] in {message(run_id, batch) for batch in range(3)}  # they are sent in parallel
