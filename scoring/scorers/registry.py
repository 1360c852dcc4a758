"""From a plan to the loaded scorer. Networks are imported only by the scorer that needs them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from frame_tools.contracts.errors import InternalError, NextStep
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.scorers import SCORERS
from frame_tools.storage.deployment import Storage
from scoring.scorers.identity import IdentityScorer
from scoring.types import Scorer


@dataclass(frozen=True, kw_only=True)
class ScorerResources:
    """Where a scorer's parts lie: weights in the node image, programs in the ops account, an empty scratch folder."""

    weights: Path
    storage: Storage
    scratch: Path


def load(plan: Plan, shelf: ScorerResources) -> Scorer:
    """Load the plan's scorer; raises InternalError if this image was built with other weights than were planned."""
    name = plan.options.scorer
    wanted, held = plan.weights_sha256, SCORERS[name].weights_sha256
    if wanted != held:
        raise InternalError(
            f"The plan wants weights {wanted}, this node image has {held}",
            "Deploy function app and node image of one version",
        )
    return LOADERS[name](plan, shelf)


def _copy(_plan: Plan, _shelf: ScorerResources) -> Scorer:
    return IdentityScorer()


def _any(_plan: Plan, shelf: ScorerResources) -> Scorer:
    from scoring.scorers.any_painting.scorer import (
        AnyPainting,  # torch takes seconds to import; `copy` must not pay for it
    )

    return AnyPainting.load(shelf.weights)


def _johnson(_plan: Plan, _shelf: ScorerResources) -> Scorer:
    from scoring.scorers.johnson.scorer import Johnson

    return Johnson()


def _gatys(_plan: Plan, shelf: ScorerResources) -> Scorer:
    from scoring.scorers.gatys import Gatys

    return Gatys.load(shelf.weights)


def _describe(_plan: Plan, shelf: ScorerResources) -> Scorer:
    from scoring.scorers.describe import FrameDescriber

    return FrameDescriber.load(shelf.weights)


def _program(plan: Plan, shelf: ScorerResources) -> Scorer:
    from scoring.inference.tensors import best_device
    from scoring.scorers.programs.context import ProgramContext
    from scoring.scorers.programs.loading import load_program, read_program

    if plan.program is None:
        raise InternalError(
            f"The plan names no program for {plan.options.scorer}",
            "Start the run anew",
            next_step=NextStep.START_NEW_RUN,
        )
    context = ProgramContext(
        device=best_device().type,
        seed=plan.options.seed,
        arguments=plan.options.arguments,
        scratch=shelf.scratch,
    )
    return load_program(plan.program, read_program(plan.program, shelf.storage.scripts), context, makes=plan.makes)


LOADERS: Mapping[str, Callable[[Plan, ScorerResources], Scorer]] = {
    "any": _any,
    "tuned": _any,
    "johnson": _johnson,
    "gatys": _gatys,
    "describe": _describe,
    "model": _program,
    "script": _program,
    "copy": _copy,
}
"""Name of a scorer, as a trigger file says it -> what loads it."""
