"""Paint the input of an earlier run with other paintings: frames stay where they are, only paintings are uploaded."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from frame_tools.client.connection import Connection
from frame_tools.client.upload import extra_files, put_trigger, upload_extras
from frame_tools.contracts import ids
from frame_tools.contracts.base import explain_validation_error
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.trigger import Trigger


def repaint(
    connection: Connection, run_id: str, files: Sequence[Path], styles: Mapping[str, Any], changes: Mapping[str, Any]
) -> str:
    """Start a run of the same input; returns its id.

    `files` are the paintings, `styles` the fields of the trigger file that name them, `changes` other options to
    change, where None resets one. Raises MissingError for an unknown run or file, InputError for invalid options.
    """
    extras = extra_files(files)
    status = connection.api().status(run_id)
    if status is None:
        raise MissingError(f"The run {run_id} does not exist", "List the runs: impasto runs")
    if status.get("options") is None or status.get("name") is None:
        raise InputError(f"The request of the run {run_id} cannot be read", "Paint the video again: impasto paint")
    folder = str(status["options"].get("input") or status["name"])
    fields = {**status["options"], **changes, **styles, "input": folder}
    try:
        trigger = Trigger.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        raise InputError(*explain_validation_error(error, "options", Trigger)) from None
    storage = connection.storage()
    upload_extras(storage, folder, extras)
    label = " and ".join(Path(style).stem for style in trigger.style_files)
    return put_trigger(storage, name=ids.name_from(f"{folder} by_{label}"), trigger=trigger)
