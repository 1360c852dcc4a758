"""The image that `make image` built, and a local cloud whose tasks run in it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.tools.node_image.base import release
from infra.tools.node_image.build import ImageDescription
from infra.tools.node_image.cli import FOLDER, ROOT, local_tag
from local_cloud.accounts import FREE_PORTS
from local_cloud.cloud import CloudOptions
from tests.support.system import RunningSystem, running_system

DESCRIPTION = FOLDER / "image.json"


@dataclass(frozen=True)
class ImageSystem:
    """A local cloud whose node is the image."""

    system: RunningSystem
    folder: Path
    """Folder of the local cloud."""

    @property
    def node(self) -> Path:
        """Root directory of the only node."""
        (node,) = (self.folder / "batch" / "nodes" / "gpu").iterdir()
        return node


@pytest.fixture(scope="session")
def image() -> ImageDescription:
    """The image built from the files as they are now. A skipped test would look like a passed one, so tests fail."""
    if not DESCRIPTION.is_file():
        pytest.fail(f"{DESCRIPTION} is missing: run `make image`", pytrace=False)
    description = ImageDescription(**json.loads(DESCRIPTION.read_text(encoding="utf-8")))
    if description.tag != local_tag(ROOT, release()):
        pytest.fail("the node image is older than scoring/ or frame_tools/: run `make image`", pytrace=False)
    return description


@pytest.fixture(scope="session")
def root(image: ImageDescription) -> Path:
    """The folder with the image's files."""
    return Path(image.root)


@pytest.fixture(scope="session")
def image_system(image: ImageDescription, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageSystem]:
    folder = tmp_path_factory.mktemp("cloud")
    options = CloudOptions(folder=folder, ports=FREE_PORTS, in_memory=True, node_image=DESCRIPTION)
    with running_system(options) as system:
        yield ImageSystem(system, folder)
