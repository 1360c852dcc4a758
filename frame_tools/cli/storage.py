"""The commands `sas` and `make-containers`: access for guests, and the containers of a new storage account."""

import os
from typing import Annotated

import typer

from frame_tools.cli.connect import connect
from frame_tools.cli.errors import report_errors


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    example = "Example: impasto sas --hours 8 > guest.env   (the guest: set -a; . ./guest.env)"
    app.command(epilog=example, rich_help_panel="Administration")(sas)
    app.command("make-containers", hidden=True)(make_containers)


def sas(
    hours: Annotated[int, typer.Option(help="Lifetime of the URLs; the account may allow a day at most.")] = 24,
) -> None:
    """Print settings with SAS URLs for a user without an account: upload frames, start runs, download videos."""
    from datetime import UTC, datetime

    from frame_tools.storage.accounts import DATA, account_from
    from frame_tools.storage.blobs import BlobAccount
    from frame_tools.storage.sas import guest_settings

    with report_errors():
        account = account_from(connect().settings, DATA)
        settings = guest_settings(BlobAccount(account), hours=hours, now=datetime.now(UTC))
    for name, url in settings.items():
        typer.echo(f"{name}='{url}'")


def make_containers() -> None:
    """Create missing containers and queues in DATA and OPS (for Azurite; in Azure the templates create them)."""
    from frame_tools.storage.deployment import Storage, ensure_poison_queues

    with report_errors():
        Storage.from_environment(os.environ).ensure()
        ensure_poison_queues(os.environ)
