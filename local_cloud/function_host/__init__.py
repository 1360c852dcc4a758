"""A local Azure Functions host: answers `func host start` on one machine, without Azure and without Core Tools.

It loads a Python v2 app through Azure's own worker runtime, in process, and stands where the Functions host stands:
it listens to queues, blobs, timers and HTTP, and copies the host's rules about leases, receipts and poison queues.
It knows Functions and Storage only, nothing of the app it runs.
"""
