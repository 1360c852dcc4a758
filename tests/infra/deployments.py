"""The templates' parameter sets and what each would deploy, evaluated once."""

from functools import cache
from pathlib import Path

from tests.infra.bicep.evaluate import Made, parameters_of, render

REPOSITORY = Path(__file__).resolve().parents[2]
BICEP = REPOSITORY / "infra" / "bicep"
MAIN = BICEP / "main.bicep"
SETS = {path.stem: path for path in [BICEP / "main.bicepparam", *sorted((BICEP / "params").glob("*.bicepparam"))]}


@cache
def deployment(name: str) -> list[Made]:
    """Return what the parameter set `name` deploys."""
    template, parameters = parameters_of(SETS[name])
    return render(template, parameters)


def deployed(**parameters: object) -> list[Made]:
    """Return what the template deploys with these parameters and defaults for the rest."""
    return render(MAIN, {"environmentName": "dev", **parameters})


def of_kind(made: list[Made], kind: str) -> list[Made]:
    """Return the resources of a kind, given without its provider's "Microsoft."."""
    return [one for one in made if one.kind == f"Microsoft.{kind}"]


def account(made: list[Made], beginning: str) -> Made:
    """Return the storage account whose name begins so: stdata, stops."""
    return next(one for one in of_kind(made, "Storage/storageAccounts") if str(one.name).startswith(beginning))
