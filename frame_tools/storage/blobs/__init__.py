"""Blob storage on Azure, the only package that imports `azure.storage.blob`; it implements `storage.ports`.

Every write is atomic: a blob is complete under its name or does not exist. `Container.create` (If-None-Match: *) and
deletion by ETag (If-Match) let exactly one of several writers succeed; the handlers rely on that.
https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations
"""

from frame_tools.storage.blobs.account import BlobAccount, container_at
from frame_tools.storage.blobs.container import Container
from frame_tools.storage.blobs.large import AlreadyThereError, BlockWriter, RangedReader
from frame_tools.storage.blobs.lease import Lease
from frame_tools.storage.blobs.links import SignedLinks
from frame_tools.storage.blobs.values import Blob, BlobInfo, Page, md5_of, md5_of_bytes, sha256_of

__all__ = [
    "AlreadyThereError",
    "Blob",
    "BlobAccount",
    "BlobInfo",
    "BlockWriter",
    "Container",
    "Lease",
    "Page",
    "RangedReader",
    "SignedLinks",
    "container_at",
    "md5_of",
    "md5_of_bytes",
    "sha256_of",
]
