"""``python -m local_cloud.batch_service``: see ``cli.py``."""

from .cli import app

app()
