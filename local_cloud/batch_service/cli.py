"""Command line: `python -m local_cloud.batch_service --data FOLDER --pool gpu:1x1 --image NAME=IMAGE.json`."""

import asyncio
import logging
import re
import socket
from pathlib import Path
from typing import Annotated

import typer

from local_cloud.batch_service.execution.image import Image
from local_cloud.batch_service.server import serve
from local_cloud.batch_service.service import PoolShape

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")

_POOL = re.compile(r"(?P<id>[A-Za-z0-9_-]{1,64}):(?P<nodes>\d+)x(?P<slots>[1-9]\d*)")


@app.command()
def main(
    data: Annotated[Path, typer.Option(help="Folder for state and node files; an existing one is resumed.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 selects a free port.", min=0, max=65535)] = 10010,
    pool: Annotated[list[str] | None, typer.Option(help="ID:NODESxSLOTS, for example gpu:1x1. Repeatable.")] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=FILE: FILE is a JSON object with the whole base `environment` of the image's tasks and, if they "
            "run in a container, `container`: the `root` folder of its files, `user`, `working_directory`; or "
            "`prepared`: the `module` that tasks run with python -m, and its `imports`. Repeatable."
        ),
    ] = None,
    job_quota: Annotated[
        int | None, typer.Option(min=0, help="Number of jobs that are not completed; default: no limit.")
    ] = None,
    boot_seconds: Annotated[
        float, typer.Option(min=0, help="Time that a new or returning node takes to start; minutes in Azure.")
    ] = 0.0,
) -> None:
    """Run a local Azure Batch service until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    pools = dict(_parse_pool(text) for text in pool or [])
    images = dict(_parse_image(text) for text in image or [])
    with socket.create_server(("127.0.0.1", port)) as listener:
        asyncio.run(
            serve(
                listener,
                data=data,
                pools=pools,
                images=images,
                ready=_print_ready,
                job_quota=job_quota,
                boot_seconds=boot_seconds,
            )
        )


def _print_ready(url: str) -> None:
    typer.echo(f"Batch service listening on {url}")


def _parse_pool(text: str) -> tuple[str, PoolShape]:
    match = _POOL.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a pool; write ID:NODESxSLOTS, such as gpu:1x1", param_hint="--pool")
    return match["id"], PoolShape(nodes=int(match["nodes"]), slots=int(match["slots"]))


def _parse_image(text: str) -> tuple[str, Image]:
    name, separator, file = text.partition("=")
    if not (name and separator):
        raise typer.BadParameter(f"{text!r}: write NAME=FILE.json", param_hint="--image")
    try:
        return name, Image.model_validate_json(Path(file).read_bytes())
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="--image") from error
