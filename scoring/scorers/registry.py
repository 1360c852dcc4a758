"""Loading of the scorer that a plan names. Each scorer's modules are imported only when it is loaded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from frame_tools.contracts.errors import InputError, InternalError, NextStep
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.scorers import SCORERS
from frame_tools.lasting_imports import lasting_imports
from frame_tools.storage.deployment import Storage
from scoring.scorers.identity import IdentityScorer
from scoring.types import Scorer


@dataclass(frozen=True, kw_only=True)
class ScorerResources:
    """Where a scorer's files are: weights in the node image, programs in the ops account, an empty scratch folder."""

    weights: Path
    storage: Storage
    scratch: Path


def load_scorer(plan: Plan, resources: ScorerResources) -> Scorer:
    """Load the plan's scorer; raises InternalError if this image has other weights than the plan names."""
    name = plan.options.scorer
    planned, installed = plan.weights_sha256, SCORERS[name].weights_sha256
    if planned != installed:
        raise InternalError(
            f"The plan needs weights {planned}, this node image has {installed}",
            "Deploy the function app and the node image in the same version",
        )
    return LOADERS[name](plan, resources)


def _load_identity(_plan: Plan, _resources: ScorerResources) -> Scorer:
    return IdentityScorer()


def _load_any_painting(weights: Path) -> Scorer:
    # Importing torch takes seconds, which `copy` does not have to spend.
    with lasting_imports():
        from scoring.scorers.any_painting.scorer import AnyPainting

    return AnyPainting.load(weights)


def _load_johnson(_weights: Path) -> Scorer:
    from scoring.scorers.johnson.scorer import Johnson

    return Johnson()


def _load_gatys(weights: Path) -> Scorer:
    from scoring.scorers.gatys import Gatys

    return Gatys.load(weights)


def _load_describer(_plan: Plan, resources: ScorerResources) -> Scorer:
    from scoring.scorers.describe import FrameDescriber

    return FrameDescriber.load(resources.weights)


def _load_program(plan: Plan, resources: ScorerResources) -> Scorer:
    from scoring.inference.tensors import best_device
    from scoring.scorers.programs.context import ProgramContext
    from scoring.scorers.programs.files import fetch_files
    from scoring.scorers.programs.loading import load_program, read_program

    if plan.program is None:
        raise InternalError(
            f"The plan names no program for {plan.options.scorer}",
            "Start a new run",
            next_step=NextStep.START_NEW_RUN,
        )
    scripts = resources.storage.scripts
    scratch = resources.scratch / "scratch"
    scratch.mkdir()
    context = ProgramContext(
        device=best_device().type,
        seed=plan.options.seed,
        arguments=plan.options.arguments,
        scratch=scratch,
        files=fetch_files(plan.program, scripts, resources.scratch / "files"),
    )
    return load_program(plan.program, read_program(plan.program, scripts), context, makes=plan.makes)


STYLE_LOADERS: Final[Mapping[str, Callable[[Path], Scorer]]] = {
    "any": _load_any_painting,
    "tuned": _load_any_painting,
    "johnson": _load_johnson,
    "gatys": _load_gatys,
}
"""Scorers that paint in a style; they need only the folder of the weights."""


def load_style_scorer(name: str, weights: Path) -> Scorer:
    """Load a scorer that paints in a style, outside of a run; raises InputError for other scorers."""
    if name not in STYLE_LOADERS:
        raise InputError(f"The scorer {name!r} paints in no style", f"Use one of: {', '.join(STYLE_LOADERS)}.")
    return STYLE_LOADERS[name](weights)


def _load_planned_style_scorer(plan: Plan, resources: ScorerResources) -> Scorer:
    return load_style_scorer(plan.options.scorer, resources.weights)


LOADERS: Final[Mapping[str, Callable[[Plan, ScorerResources], Scorer]]] = {
    **dict.fromkeys(STYLE_LOADERS, _load_planned_style_scorer),
    "describe": _load_describer,
    "model": _load_program,
    "script": _load_program,
    "copy": _load_identity,
}
"""Name of a scorer in trigger files -> the function that loads it."""
