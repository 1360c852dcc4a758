"""A small local Azure Batch service: the REST API (version 2025-06-01) over loopback, tasks as subprocesses.

It knows Batch and nothing of the product. The real ``azure-batch`` client works against it unchanged::

    BatchClient("http://127.0.0.1:10010", AzureNamedKeyCredential("localbatch", "<any base64 key>"))

What it does not imitate it refuses (``reading.UNSUPPORTED_PROPERTIES`` names it all, with the reason), so that nothing
which would work differently in Azure looks as if it worked here. Where its behaviour is a choice because no record
of the real service says more, the docstring beside it says so. Start with ``server.py`` (what is answered),
``scheduler.py`` (what runs when), ``faults.py`` (what can be made to go wrong).
"""
