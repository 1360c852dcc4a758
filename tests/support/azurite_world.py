"""A world on Azurite and the local Batch service."""

import itertools
from collections.abc import Mapping
from dataclasses import replace

from orchestration.app import App
from tests.support.world import AdjustableClock, World, create_storage

_numbers = itertools.count(1)


def azurite_world(settings: Mapping[str, str]) -> World:
    """Return an app with containers and queues of its own; `settings` name the emulators."""
    app = App.from_environment(settings)
    storage = create_storage(dict(settings), f"{next(_numbers)}")
    return World(replace(app, storage=storage, clock=AdjustableClock()))
