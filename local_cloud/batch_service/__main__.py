"""Entry point of `python -m local_cloud.batch_service`; see `cli.py`."""

from local_cloud.batch_service.cli import app

app()
