"""The operator's list of programs: uploads, and changes that lose no other change."""

from functools import partial
from pathlib import Path

import pytest

from frame_tools.client.programs import (
    LocalProgram,
    add_program,
    blob_name,
    hashed_files,
    named_files,
    read_programs,
    remove_program,
    upload_program,
)
from frame_tools.contracts.errors import InputError, MissingError, TemporaryError
from frame_tools.contracts.programs import LIST_BLOB, AllowedProgram, AllowedPrograms, file_blob, sha256_of_file
from frame_tools.storage.blobs import Blob
from frame_tools.storage.in_memory import BlobStore, InMemoryContainer
from tests.support.world import in_parallel

SHA = "ab" * 32


def entry(file: str = "x.py") -> AllowedProgram:
    return AllowedProgram(file=file, sha256=SHA, kind="script")


@pytest.fixture
def scripts() -> InMemoryContainer:
    return InMemoryContainer("scripts", BlobStore())


def test_programs_are_added_replaced_and_removed(scripts: InMemoryContainer) -> None:
    assert read_programs(scripts).root == {}
    add_program(scripts, "a", entry())
    add_program(scripts, "b", entry())
    add_program(scripts, "a", entry("y.py"))
    assert read_programs(scripts).root == {"a": entry("y.py"), "b": entry()}
    remove_program(scripts, "a")
    assert read_programs(scripts).root == {"b": entry()}
    with pytest.raises(MissingError, match=r"'a' is not on the list"):
        remove_program(scripts, "a")


def test_simultaneous_changes_are_all_kept(scripts: InMemoryContainer) -> None:
    in_parallel([partial(add_program, scripts, f"p{number}", entry()) for number in range(4)])
    assert set(read_programs(scripts).root) == {"p0", "p1", "p2", "p3"}


class Busy(InMemoryContainer):
    """Somebody else changes the list after each reading."""

    def __init__(self, changes: int) -> None:
        super().__init__("scripts", BlobStore())
        self.changes = iter(range(changes))

    def read(self, name: str, *, limit: int | None = None) -> Blob | None:
        blob = super().read(name, limit=limit)
        for number in self.changes:
            self.write(name, f'{{"other{number}": {entry().model_dump_json()}}}'.encode())
            break
        return blob


def test_change_is_repeated_on_what_others_wrote() -> None:
    scripts = Busy(3)
    add_program(scripts, "mine", entry())
    assert set(read_programs(scripts).root) == {"mine", "other2"}


def test_change_gives_up_when_others_never_stop() -> None:
    with pytest.raises(TemporaryError, match="same time"):
        add_program(Busy(1000), "mine", entry())


@pytest.mark.parametrize("data", [b"{", b'{"x": {}}', b"x" * 200_000])
def test_damaged_list_is_named_and_kept(scripts: InMemoryContainer, data: bytes) -> None:
    scripts.write(LIST_BLOB, data)
    for change in (partial(add_program, scripts, "a", entry()), partial(remove_program, scripts, "a")):
        with pytest.raises(InputError, match=r"scripts/allowed\.json"):
            change()
    assert scripts.contents == {LIST_BLOB: data}


def test_list_never_becomes_too_long_to_be_read(scripts: InMemoryContainer) -> None:
    large = AllowedProgram(
        file="x.py", sha256=SHA, kind="script", files={f"{'a' * 90}{number}": SHA for number in range(16)}
    )
    many = AllowedPrograms({f"p{number}": large for number in range(40)})
    scripts.write(LIST_BLOB, many.dumps())
    with pytest.raises(InputError, match="more than"):
        AllowedPrograms({f"p{number}": large for number in range(100)}).dumps()
    full = next(n for n in range(41, 100) if not _fits(scripts, f"p{n}", large))
    assert len(read_programs(scripts).root) == full - 1, "the list is still readable"


def _fits(scripts: InMemoryContainer, name: str, program: AllowedProgram) -> bool:
    try:
        add_program(scripts, name, program)
    except InputError:
        return False
    return True


def local(folder: Path, name: str = "seg") -> LocalProgram:
    (folder / "seg.py").write_bytes(b"the program")
    (folder / "w.safetensors").write_bytes(b"the weights")
    path, files = folder / "seg.py", named_files([folder / "w.safetensors"])
    sha256 = sha256_of_file(path)
    fields = {"file": blob_name(name, path, sha256), "sha256": sha256, "kind": "script", "files": hashed_files(files)}
    return LocalProgram(path=path, files=files, entry=AllowedProgram.model_validate(fields))


def test_files_are_uploaded_once(scripts: InMemoryContainer, tmp_path: Path) -> None:
    program = local(tmp_path)
    assert upload_program(scripts, program) == 2
    assert scripts.contents == {
        program.entry.file: b"the program",
        file_blob(program.entry.files["w.safetensors"]): b"the weights",
    }
    assert program.entry.file == f"seg-{program.entry.sha256[:12]}.py"
    assert upload_program(scripts, program) == 0
    scripts.write(program.entry.file, b"damaged pro")
    assert upload_program(scripts, program) == 1
    assert scripts.contents[program.entry.file] == b"the program"


def test_new_version_keeps_the_old_file_for_open_runs(scripts: InMemoryContainer, tmp_path: Path) -> None:
    old = local(tmp_path)
    upload_program(scripts, old)
    (tmp_path / "seg.py").write_bytes(b"the new program")
    sha256 = sha256_of_file(tmp_path / "seg.py")
    assert blob_name("seg", tmp_path / "seg.py", sha256) != old.entry.file


def test_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="same name"):
        named_files([tmp_path / "a" / "w.bin", tmp_path / "b" / "w.bin"])
    with pytest.raises(MissingError, match=r"gone\.bin"):
        hashed_files({"gone.bin": tmp_path / "gone.bin"})
