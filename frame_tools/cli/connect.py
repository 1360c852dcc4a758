"""The cloud that a command talks to, with the options and the environment of the command line."""

import os
from pathlib import Path

from frame_tools.cli.programs import connection_file, function_key
from frame_tools.client.connection import Connection, find_connection


def connect(api: str = "", key: str = "") -> Connection:
    """Return the cloud to use; raises InputError if there is none."""
    return find_connection(
        os.environ,
        api=api,
        key=key,
        local_file=connection_file(os.environ),
        folder=Path.cwd(),
        read_key=function_key,
    )
