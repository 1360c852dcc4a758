"""The planned program is read from the ops account, up to a size limit."""

import hashlib

import pytest

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.plan import PlannedProgram
from frame_tools.storage.blobs import Blob
from frame_tools.storage.in_memory import InMemoryContainer
from scoring.scorers.programs import loading
from scoring.scorers.programs.loading import read_program


def planned_program(data, **changes):
    fields = {"name": "mosaic", "file": "mosaic.py", "sha256": hashlib.sha256(data).hexdigest(), "kind": "script"}
    return PlannedProgram(**{**fields, **changes})


class LimitedContainer(InMemoryContainer):
    """Reads at most `limit` + 1 bytes, like the real container, and records the length of the last read."""

    last_length = 0

    def read(self, name, *, limit=None):
        blob = super().read(name)
        if blob is None:
            return None
        self.last_length = len(blob.data[: limit + 1])
        return Blob(data=blob.data[: limit + 1], etag=blob.etag)


def test_program_is_read_from_the_scripts_container(monkeypatch):
    data = b"the program"
    scripts = LimitedContainer("scripts")
    scripts.write("mosaic.py", data)
    assert read_program(planned_program(data), scripts) == data
    with pytest.raises(InputError, match=r"'other\.py'.*container scripts"):
        read_program(planned_program(data, file="other.py"), scripts)
    monkeypatch.setattr(loading, "MAX_PROGRAM_BYTES", len(data))
    assert read_program(planned_program(data), scripts) == data
    monkeypatch.setattr(loading, "MAX_PROGRAM_BYTES", 10)
    with pytest.raises(InputError, match="larger than"):
        read_program(planned_program(data), scripts)
    assert scripts.last_length == 11, "a file above the limit must not be read as a whole"
