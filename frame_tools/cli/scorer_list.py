"""The commands `scorer allow`, `scorer list` and `scorer remove`: which programs the runs of a deployment may use."""

import json as json_module
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from frame_tools.cli.connect import connect
from frame_tools.cli.errors import report_errors
from frame_tools.cli.options import ApiKey, ApiUrl, Json
from frame_tools.cli.program_options import Files, FramesPerCall, Precision, PrecisionChoice, Scale
from frame_tools.client.connection import Connection
from frame_tools.client.programs import (
    LocalProgram,
    add_program,
    blob_name,
    call_fields,
    hashed_files,
    named_files,
    remove_program,
    upload_program,
)
from frame_tools.contracts import ids
from frame_tools.contracts.base import explain_validation_error
from frame_tools.contracts.choices import Makes, ProgramKind, ProgramSource
from frame_tools.contracts.errors import ImpastoError, InputError, MissingError
from frame_tools.contracts.programs import AllowedProgram, kind_of, made_by, sha256_of_file

_IN_FORCE: Final = "The app's setting ALLOWED_PROGRAMS is set, so only the programs in it may run"


class KindChoice(StrEnum):
    """The values of --kind."""

    script = "script"
    model = "model"


class MakesChoice(StrEnum):
    """The values of --makes."""

    pictures = "pictures"
    records = "records"


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("allow", epilog="Example: impasto scorer allow seg.py --files weights.safetensors")(allow)
    app.command("list", epilog="Example: impasto scorer list")(list_)
    app.command("remove", epilog="Example: impasto scorer remove seg")(remove)


def allow(
    program: Annotated[Path, typer.Argument(help="The program: .py, .pt (TorchScript) or .pt2 (exported).")],
    name: Annotated[str | None, typer.Option(help="Name for triggers; default: that of the file.")] = None,
    files: Files = None,
    kind: Annotated[
        KindChoice | None, typer.Option(help="What the file is, if its suffix is misleading; default: by the suffix.")
    ] = None,
    makes: Annotated[MakesChoice | None, typer.Option(help="What a script makes; default: by its methods.")] = None,
    scale: Scale = 1,
    frames_per_call: FramesPerCall = None,
    precision: Precision = PrecisionChoice.float32,
    json: Json = False,
    api: ApiUrl = "",
    key: ApiKey = "",
) -> None:
    """Let runs use a program: upload it with its files, and put it with their hashes on the list of programs.

    This is the operator's right: the program runs on nodes, and reads every frame.
    """
    with report_errors():
        if not program.is_file():
            raise MissingError(f"The program {program} does not exist", "Check the path.")
        call = call_fields(scale=scale, frames_per_call=frames_per_call, precision=precision.value)
        chosen = name or ids.name_from(program.stem)
        local = _describe(program, chosen, named_files(files or []), kind=kind, makes=makes, call=call)
        connection = connect(api, key)
        sent = upload_program(connection.scripts(), local)
        entry = {chosen: local.entry.model_dump(exclude_defaults=True)}
        if _source(connection) == "setting":
            typer.echo(json_module.dumps(entry, ensure_ascii=False))
            raise InputError(
                f"{_IN_FORCE}; {chosen} is uploaded, but not allowed",
                "Add the entry above to the setting, or empty the setting and run this command again.",
            )
        add_program(connection.scripts(), chosen, local.entry)
    if json:
        typer.echo(json_module.dumps(entry, ensure_ascii=False))
        return
    scorer = "script" if local.entry.kind == "script" else "model"
    size = "" if local.entry.scale == 1 else f", {local.entry.scale} times the size"
    uploaded = {0: "its files were there already", 1: "1 file uploaded"}.get(sent, f"{sent} files uploaded")
    typer.echo(f"{chosen} is allowed: {local.entry.kind}, makes {local.entry.makes}{size}; {uploaded}.")
    typer.echo(f"sha256 {local.entry.sha256}")
    typer.echo(f"Use it: impasto paint VIDEO --scorer {scorer} --program {chosen}")


def list_(json: Json = False, api: ApiUrl = "", key: ApiKey = "") -> None:
    """List the programs that runs may use."""
    with report_errors():
        answer = connect(api, key).api().programs()
        if answer.get("problem"):
            raise InputError(str(answer["problem"]), "Ask the operator to correct the list.")
    programs: list[dict[str, Any]] = answer["programs"]
    if json:
        for each in programs:
            typer.echo(json_module.dumps(each, ensure_ascii=False))
        return
    if answer["source"] == "setting":
        typer.echo(f"{_IN_FORCE}.", err=True)
    if not programs:
        typer.echo("No programs. Add one: impasto scorer allow PROGRAM")
        return
    Console(highlight=False, soft_wrap=True).print(_table(programs))


def remove(
    name: Annotated[str, typer.Argument(help="Name of the program.")], api: ApiUrl = "", key: ApiKey = ""
) -> None:
    """Remove a program from the list; new runs cannot use it. Its files stay, because open runs may need them."""
    with report_errors():
        connection = connect(api, key)
        remove_program(connection.scripts(), name)
        is_setting = _source(connection) == "setting"
    typer.echo(f"{name} is removed from the list.{f' {_IN_FORCE}.' if is_setting else ''}")


def _describe(
    path: Path,
    name: str,
    files: Mapping[str, Path],
    *,
    kind: KindChoice | None,
    makes: MakesChoice | None,
    call: Mapping[str, object],
) -> LocalProgram:
    """Return the program with its entry; raises InputError if the options do not go together."""
    chosen = _kind(path, kind)
    sha256 = sha256_of_file(path)
    product: Makes = makes.value if makes is not None else made_by(path, chosen)
    fields = {
        "file": blob_name(name, path, sha256), "sha256": sha256, "kind": chosen, "makes": product,
        "files": hashed_files(files), **call,
    }  # fmt: skip
    try:
        return LocalProgram(path=path, files=files, entry=AllowedProgram.model_validate(fields))
    except ValidationError as error:
        raise InputError(*explain_validation_error(error, f"call of {path.name}", AllowedProgram)) from None


def _kind(path: Path, kind: KindChoice | None) -> ProgramKind:
    if kind is None:
        return kind_of(path)
    if kind is KindChoice.script:
        return "script"
    return "exported" if path.suffix.lower() == ".pt2" else "torchscript"


def _source(connection: Connection) -> ProgramSource | None:
    """Return where the app's list is; None if the app does not say, because it is not there or is an older one."""
    try:
        return cast("ProgramSource", connection.api().programs()["source"])
    except (ImpastoError, KeyError):
        typer.echo("The app did not answer; it reads this list unless its setting ALLOWED_PROGRAMS is set.", err=True)
        return None


def _table(programs: list[dict[str, Any]]) -> Table:
    table = Table("program", "scorer", "kind", "makes", "scale", "files", "sha256", box=None, pad_edge=False)
    for each in programs:
        files = ", ".join(each["files"])
        table.add_row(
            each["name"], each["scorer"], each["kind"], each["makes"], str(each["scale"]), files, each["sha256"][:12]
        )
    return table
