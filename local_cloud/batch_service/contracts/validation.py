"""The check of a body: what Batch knows and this service does not imitate is refused by name, the rest by its model."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError

from local_cloud.batch_service.contracts.errors import BatchError, from_validation
from local_cloud.batch_service.contracts.serialization import WireModel

UNSUPPORTED_PROPERTIES: Mapping[str, str] = {
    "applicationPackageReferences": "bring programs in the image",
    "autoPoolSpecification": "auto-pools cannot have a managed identity; name a pool by poolInfo.poolId",
    "autoStorageContainerName": "name the blob by httpUrl",
    "dependsOn": "a failed blocker leaves its dependents active for ever; decide outside what follows",
    "exitConditions": "job and dependency actions are not imitated",
    "identity": "the data plane takes no pool identity; create the pool through Azure Resource Manager",
    "jobManagerTask": "no manager task is run",
    "jobPreparationTask": "no preparation task is run",
    "jobReleaseTask": "no release task is run",
    "mountConfiguration": "nothing is mounted",
    "multiInstanceSettings": "a task runs on one node",
    "networkConfiguration": "there is no virtual network",
    "startTask": "nodes start with nothing to do",
    "storageContainerUrl": "name each blob by httpUrl",
}

Body = TypeVar("Body", bound=WireModel)


def validate_body(kind: type[Body], body: object) -> Body:
    """Check one body.

    Raises:
        BatchError: 400, with the property's name and the reason.
    """
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
            reason = f"The local Batch service does not imitate '{name}': {UNSUPPORTED_PROPERTIES[name]}."
            raise BatchError("UnsupportedProperty", values={"PropertyName": name, "Reason": reason})
        if name in ("poolInfo", "resourceFiles"):
            _reject_unsupported(value)
