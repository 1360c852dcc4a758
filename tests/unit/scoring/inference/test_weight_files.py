"""The weights folder is taken from the environment or lies in the package."""

from pathlib import Path

from scoring.inference.weight_files import weights_folder


def test_weights_folder_from_environment_or_package():
    assert weights_folder({"IMPASTO_WEIGHTS": "/somewhere"}) == Path("/somewhere")
    assert weights_folder({}).parts[-2:] == ("scoring", "weights")
