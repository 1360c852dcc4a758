"""Blob storage in the few verbs that Impasto needs; the only importer of `azure.storage.blob`.

Every write is whole: a blob appears complete under its name or not at all. `Container.create` (If-None-Match: *) and
deleting by ETag (If-Match) let exactly one of several writers win, which is what the handlers build on.
https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations
"""

from frame_tools.storage.blobs.account import BlobAccount, container_at
from frame_tools.storage.blobs.container import Container
from frame_tools.storage.blobs.large import AlreadyThereError, BlockWriter, RangedReader
from frame_tools.storage.blobs.lease import Lease
from frame_tools.storage.blobs.values import Blob, BlobInfo, md5_of, sha256_of

__all__ = [
    "AlreadyThereError",
    "Blob",
    "BlobAccount",
    "BlobInfo",
    "BlockWriter",
    "Container",
    "Lease",
    "RangedReader",
    "container_at",
    "md5_of",
    "sha256_of",
]
