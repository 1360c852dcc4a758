"""The operator's programs, for the HTTP interface."""

from frame_tools.contracts.answers import Program, ProgramList
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.programs import AllowedPrograms
from orchestration.allowed_programs import read_list, source_of
from orchestration.app import App


def list_programs(app: App) -> ProgramList:
    """Return the programs that runs may use, where their list comes from, and what is wrong with it."""
    setting = app.settings.allowed_programs
    try:
        programs, problem = read_list(setting, app.storage.scripts).programs, None
    except InputError as error:
        programs, problem = AllowedPrograms({}), error.what
    return ProgramList(
        source=source_of(setting),
        problem=problem,
        programs=tuple(
            Program(
                name=name,
                scorer="script" if program.kind == "script" else "model",
                files=tuple(program.files),
                **program.model_dump(include={"kind", "makes", "sha256", "scale", "frames_per_call", "precision"}),
            )
            for name, program in sorted(programs.root.items())
        ),
    )
