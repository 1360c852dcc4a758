"""The parameter sets of the templates and what each deploys, read from the committed snapshots."""

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from infra.tools.bicep.check import TEMPLATES, parameter_files, snapshot_file

REPOSITORY = Path(__file__).resolve().parents[2]
BICEP = TEMPLATES
MAIN = BICEP / "main.bicep"
SETS = {path.stem: path for path in parameter_files(BICEP)}


@dataclass(frozen=True)
class Resource:
    """A resource as Azure would receive it. Values that only a deployment knows are expressions: `[reference(...)]`."""

    body: dict[str, Any]

    @property
    def kind(self) -> str:
        """Type of the resource, for example `Microsoft.Storage/storageAccounts`."""
        return str(self.body["type"])

    @property
    def name(self) -> str:
        """Name without the names of its parents."""
        return str(self.body["name"]).rpartition("/")[2]

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def scope(self) -> str:
        """Resource id of the resource that an extension resource (role assignment, diagnostic setting) belongs to."""
        return self.id.partition(f"/providers/{self.kind}/")[0]

    def get(self, *path: str) -> Any:
        """Return the value at a path of keys, or None where a key is missing."""
        value: Any = self.body
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value


def resources_of(snapshot: Mapping[str, Any]) -> list[Resource]:
    return [Resource(body) for body in snapshot["predictedResources"]]


@cache
def _snapshot(name: str) -> dict[str, Any]:
    snapshot: dict[str, Any] = json.loads(snapshot_file(SETS[name]).read_text(encoding="utf-8"))
    return snapshot


def deployment(name: str) -> list[Resource]:
    """Return what the parameter set `name` deploys; the caller may change the resources."""
    return resources_of(copy.deepcopy(_snapshot(name)))


def outputs(name: str) -> dict[str, Any]:
    """Return the outputs of the parameter set `name`."""
    return dict(_snapshot(name)["outputs"])


def of_kind(resources: Iterable[Resource], kind: str) -> list[Resource]:
    """Return the resources of a type, which is passed without its leading `Microsoft.`."""
    return [resource for resource in resources if resource.kind == f"Microsoft.{kind}"]


def account(resources: Iterable[Resource], prefix: str) -> Resource:
    """Return the storage account with this prefix of its name: stdata, stops."""
    return next(item for item in of_kind(resources, "Storage/storageAccounts") if item.name.startswith(prefix))
