"""Errors are one line: what is wrong, then the remedy; each knows its exit code."""

import pickle

import pytest

from frame_tools.contracts.errors import DamagedError, ImpastoError, InputError, MissingError, TemporaryError


def test_error_text_is_one_line_of_two_sentences() -> None:
    assert str(InputError("The file\nis empty", "Give another.")) == "The file is empty. Give another."


@pytest.mark.parametrize(
    ("kind", "code"),
    [(InputError, 65), (DamagedError, 66), (MissingError, 69), (ImpastoError, 70), (TemporaryError, 75)],
)
def test_error_classes_have_exit_codes(kind: type[ImpastoError], code: int) -> None:
    assert kind.exit_code == code
    assert kind.exit_code.meaning.endswith(".")


def test_errors_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(MissingError("No such blob", "Upload it.")))  # noqa: S301 - our own bytes
    assert (type(error), error.what, error.remedy) == (MissingError, "No such blob", "Upload it.")
