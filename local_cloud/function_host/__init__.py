"""A local Azure Functions host: `func host start` on one machine, without Azure and without Core Tools.

It loads a Python v2 app in process through Azure's own worker runtime and takes the place of the Functions host: it
listens to queues, blobs, timers and HTTP, and follows the real host's rules for leases, receipts and poison queues.
It depends on Functions and Storage only and knows nothing about the app it runs.
"""
