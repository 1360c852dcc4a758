"""A small local Azure Batch service: the REST API (version 2025-06-01) on the loopback address, tasks as subprocesses.

It implements Batch and knows nothing about Impasto. The real `azure-batch` client works with it unchanged:

    BatchClient("http://127.0.0.1:10010", AzureNamedKeyCredential("localbatch", "<any base64 key>"))

It rejects features that it does not support (`validation.UNSUPPORTED_PROPERTIES` lists them with the reasons), so that
nothing appears to work here that works differently in Azure. Where the real service's behavior is not documented, the
docstring says that the local behavior is a choice. Start with `server.py` (requests), `execution/scheduler.py` (tasks)
and `faults.py` (fault injection).
"""
