"""The painting's style vector: made by the first task that needs it, read by all others, so that all paint alike."""

import numpy as np
import safetensors.numpy

from frame_tools import names
from frame_tools.blobs import sha256_of
from frame_tools.errors import DamagedError
from frame_tools.media import images
from frame_tools.plan import Plan
from scoring.protocol import Scorer, StyleVector
from scoring.task import Task

_KEY = "style"


def style_of(task: Task, plan: Plan, scorer: Scorer) -> StyleVector | None:
    """Return the run's style vector, None for a run without a painting.

    Whoever writes it first wins; the winner's is read back, so every task uses the same bytes.
    """
    if plan.style is None:
        return None
    place = names.style_vector(task.run_id, plan.style.sha256)
    blob = task.storage.runs.read(place)
    if blob is None:
        vector = scorer.style_vector(np.array(images.read_rgb(_painting(task, plan))))
        task.storage.runs.create(place, safetensors.numpy.save({_KEY: vector}))
        blob = task.storage.runs.need(place)
    loaded: StyleVector = safetensors.numpy.load(blob.data)[_KEY]
    return loaded


def _painting(task: Task, plan: Plan) -> bytes:
    assert plan.style is not None  # noqa: S101 - the caller looked
    ref = plan.style.blob
    data = task.storage.data_container(ref.container).need(ref.name).data
    if sha256_of(data) != plan.style.sha256:
        raise DamagedError(f"The painting {ref.name} is not the planned one", "Start the run anew")
    return data
