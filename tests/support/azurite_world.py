"""A world on Azurite and the local Batch service."""

import itertools
from collections.abc import Mapping
from dataclasses import replace

from orchestration.app import App
from tests.support.world import AdjustableClock, World, create_storage

_numbers = itertools.count(1)


def azurite_world(settings: Mapping[str, str]) -> World:
    """Return an app with containers and queues of its own; `settings` name the emulators.

    Its pool executes as many tasks at once as that of the world in memory.
    """
    app = App.from_environment({**settings, "POOL_TASKS": "4"})
    storage = create_storage(dict(settings), f"{next(_numbers)}")
    return World(replace(app, storage=storage, clock=AdjustableClock()))
