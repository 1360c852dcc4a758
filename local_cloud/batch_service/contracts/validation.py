"""Validation of request bodies: unsupported Batch features are rejected by name, everything else by its model."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError

from local_cloud.batch_service.contracts.errors import BatchError, from_validation
from local_cloud.batch_service.contracts.serialization import WireModel

UNSUPPORTED_PROPERTIES: Mapping[str, str] = {
    "applicationPackageReferences": "install programs in the image",
    "autoPoolSpecification": "auto-pools cannot have a managed identity; name a pool by poolInfo.poolId",
    "autoStorageContainerName": "name the blob by httpUrl",
    "dependsOn": "a failed dependency leaves its dependents active forever; add the next task when the first has ended",
    "exitConditions": "job and dependency actions are not supported",
    "identity": "the data plane accepts no pool identity; create the pool through Azure Resource Manager",
    "jobManagerTask": "manager tasks are not run",
    "jobPreparationTask": "preparation tasks are not run",
    "jobReleaseTask": "release tasks are not run",
    "mountConfiguration": "nothing is mounted",
    "multiInstanceSettings": "a task runs on one node",
    "networkConfiguration": "there is no virtual network",
    "startTask": "nodes have no start task",
    "storageContainerUrl": "name each blob by httpUrl",
}

Body = TypeVar("Body", bound=WireModel)


def validate_body(kind: type[Body], body: object) -> Body:
    """Validate a body and return it as a model. Raises BatchError (400) with the property's name and the reason."""
    _reject_unsupported(body)
    try:
        return kind.model_validate(body, by_alias=True, by_name=False)
    except ValidationError as error:
        raise from_validation(error.errors()) from error


def _reject_unsupported(body: object) -> None:
    if isinstance(body, list):
        for item in body:
            _reject_unsupported(item)
    if not isinstance(body, dict):
        return
    for name, value in body.items():
        if name in UNSUPPORTED_PROPERTIES and value is not None:
            reason = f"The local Batch service does not support '{name}': {UNSUPPORTED_PROPERTIES[name]}."
            raise BatchError("UnsupportedProperty", values={"PropertyName": name, "Reason": reason})
        if name in ("poolInfo", "resourceFiles"):
            _reject_unsupported(value)
