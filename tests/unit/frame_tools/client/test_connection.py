"""The order in which a command finds its cloud, and what each source provides."""

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from frame_tools.client.connection import Connection, find_connection, parse_env_file
from frame_tools.contracts.errors import InputError

AZURE_API = "https://impasto.azurewebsites.net/api"
AZURE = {"DATA__blobServiceUri": "https://data.blob.core.windows.net", "IMPASTO_API": AZURE_API}


@pytest.fixture
def local_file(tmp_path: Path) -> Iterator[Path]:
    """The file of a local cloud whose storage listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        file = tmp_path / "state" / "local-cloud.json"
        file.parent.mkdir()
        storage = f"http://127.0.0.1:{server.getsockname()[1]}"
        document = {"storage": storage, "api": "http://127.0.0.1:9/api", "settings": {"DATA": "local"}}
        file.write_text(json.dumps(document))
        yield file


@pytest.fixture
def azd_project(tmp_path: Path) -> Path:
    """A folder inside a project with a current azd environment."""
    folder = tmp_path / "project" / ".azure" / "dev"
    folder.mkdir(parents=True)
    (folder.parent / "config.json").write_text('{"version": 1, "defaultEnvironment": "dev"}')
    lines = [f'{name}="{value}"' for name, value in AZURE.items()]
    (folder / ".env").write_text("\n".join([*lines, 'AZURE_RESOURCE_GROUP="rg"']))
    (tmp_path / "project" / "clips").mkdir()
    return tmp_path / "project" / "clips"


def find(environ: dict[str, str], file: Path, folder: Path, **options: str) -> Connection:
    def read_key(values: Mapping[str, str]) -> str:
        return f"key of {values['AZURE_RESOURCE_GROUP']}"

    return find_connection(environ, local_file=file, folder=folder, read_key=read_key, **options)


def test_environment_precedes_local_cloud_and_azd(local_file: Path, azd_project: Path) -> None:
    found = find({"DATA": "x", "IMPASTO_API": "http://here/api", "IMPASTO_KEY": "k"}, local_file, azd_project)
    assert (found.source, found.settings["DATA"]) == ("the environment", "x")
    assert (found.url, found.key) == ("http://here/api", "k")


def test_local_cloud_precedes_azd(local_file: Path, azd_project: Path) -> None:
    found = find({}, local_file, azd_project)
    assert (found.settings, found.url, found.is_local) == ({"DATA": "local"}, "http://127.0.0.1:9/api", True)
    assert find({}, local_file, azd_project, api=AZURE_API).url == AZURE_API, "an option overrides all"


def test_stopped_local_cloud_is_passed_over(local_file: Path, azd_project: Path) -> None:
    document = json.loads(local_file.read_text())
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    local_file.write_text(json.dumps({**document, "storage": f"http://127.0.0.1:{port}"}))
    found = find({}, local_file, azd_project)
    assert (found.url, found.is_local, found.source) == (AZURE_API, False, "the azd environment dev")
    assert found.settings["DATA__blobServiceUri"] == AZURE["DATA__blobServiceUri"]
    assert found.api().key == "key of rg"
    assert find({"IMPASTO_KEY": "mine"}, local_file, azd_project).api().key == "mine"


@pytest.mark.parametrize("text", ["", "not JSON", "{}", '{"settings": {}}'])
def test_damaged_file_of_a_local_cloud_is_passed_over(tmp_path: Path, azd_project: Path, text: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    assert find({}, file, azd_project).url == AZURE_API


def test_named_azd_environment_is_used(tmp_path: Path, azd_project: Path) -> None:
    other = azd_project.parent / ".azure" / "prod"
    other.mkdir()
    (other / ".env").write_text('DATA__blobServiceUri="https://prod.blob.core.windows.net"\n')
    found = find({"AZURE_ENV_NAME": "prod"}, tmp_path / "absent", azd_project)
    assert (found.source, found.url) == ("the azd environment prod", "")
    with pytest.raises(InputError, match="IMPASTO_API"):
        found.api()


def test_local_storage_has_the_usual_app_if_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"DATA": "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"}
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/api"
        monkeypatch.setattr("frame_tools.client.connection.LOCAL_API", url)
        assert find(settings, tmp_path / "absent", tmp_path).url == url
    assert find(settings, tmp_path / "absent", tmp_path).url == ""


def test_app_alone_is_enough_for_commands_without_storage(tmp_path: Path) -> None:
    found = find({}, tmp_path / "absent", tmp_path, api=AZURE_API, key="k")
    assert (found.api().url, found.api().key) == (AZURE_API, "k")
    with pytest.raises(InputError, match="DATA"):
        found.storage()


def test_no_cloud_is_an_error_that_names_the_ways(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="impasto up") as caught:
        find({}, tmp_path / "absent", tmp_path)
    assert "DATA" in caught.value.what


def test_env_file_of_azd_is_parsed() -> None:
    text = 'A="x y"\nB=plain\n# comment\nC="say \\"hi\\" \\\\"\n\nbroken line'
    assert parse_env_file(text) == {"A": "x y", "B": "plain", "C": 'say "hi" \\'}
