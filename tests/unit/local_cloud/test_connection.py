"""The local cloud and the commands agree on the file that says where it listens."""

from pathlib import Path

from frame_tools.cli.programs import connection_file
from frame_tools.client.connection import local_cloud
from local_cloud.accounts import Ports
from local_cloud.cloud import Cloud
from local_cloud.connection import default_file, published


def cloud(api_port: int) -> Cloud:
    settings = {"DATA": "data", "OPS": "ops", "PRICES": ""}
    return Cloud(ports=Ports(functions=api_port), settings=settings, services={})


def test_both_use_the_same_file(tmp_path: Path) -> None:
    assert default_file({}) == connection_file({})
    assert default_file({"IMPASTO_STATE": str(tmp_path)}) == connection_file({"IMPASTO_STATE": str(tmp_path)})


def test_file_exists_while_the_cloud_runs_and_is_private(tmp_path: Path) -> None:
    file = tmp_path / "new" / "file.json"
    with published(cloud(1), file):
        assert file.stat().st_mode & 0o077 == 0
        assert [path.name for path in file.parent.iterdir()] == ["file.json"]
    assert not file.exists()


def test_file_of_another_cloud_stays(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    with published(cloud(1), file):
        file.write_text("of another cloud")
    assert file.read_text() == "of another cloud"


def test_cloud_that_does_not_listen_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    with published(cloud(1), file):
        document = file.read_text()
        file.write_text(document.replace("10000", "1"))
        assert local_cloud(file) is None
