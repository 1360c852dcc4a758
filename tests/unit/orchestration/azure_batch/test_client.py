"""Conversion of Batch SDK models."""

from typing import Any

import pytest
from azure.batch import models

from orchestration.azure_batch.client import _pool_view


@pytest.mark.parametrize(
    "mount",
    [
        {"azureBlobFileSystemConfiguration": {"accountName": "st", "containerName": "c", "relativeMountPath": "input"}},
        {"nfsMountConfiguration": {"source": "st:/st/c", "relativeMountPath": "input"}},
    ],
)
def test_pool_view_has_mounts(mount: dict[str, Any]) -> None:
    normalized_weights = {"azureFileShareConfiguration": {"relativeMountPath": "share"}}
    assert _pool_view(
        models.BatchPool(
            {
                "id": "gpu",
                "currentDedicatedNodes": 0,
                "currentLowPriorityNodes": 0,
                "mountConfiguration": [mount, normalized_weights],
            }
        )
    ).mounts == ("input",)
