"""The client of the Bicep compiler and the checks that run on it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.tools.bicep import check as checks
from infra.tools.bicep.check import Report, check, main, snapshot_file
from infra.tools.bicep.compiler import BicepError, BicepMissingError, Compiler, Diagnostic, find_bicep


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def test_find_bicep_prefers_the_variable(tmp_path: Path) -> None:
    chosen = executable(tmp_path / "chosen" / "my-bicep")
    executable(tmp_path / "bin" / "bicep")
    assert find_bicep({"BICEP": str(chosen), "PATH": str(tmp_path / "bin")}) == chosen


def test_find_bicep_takes_the_path_before_the_azure_cli(tmp_path: Path) -> None:
    of_cli = executable(tmp_path / ".azure" / "bin" / "bicep")
    environ = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}
    assert find_bicep(environ) == of_cli
    on_path = executable(tmp_path / "bin" / "bicep")
    assert find_bicep(environ) == on_path


@pytest.mark.parametrize("environ", [{"PATH": "/nowhere", "HOME": "/nowhere"}, {"BICEP": "/nowhere/bicep"}])
def test_find_bicep_names_the_install_command(environ: dict[str, str]) -> None:
    with pytest.raises(BicepMissingError) as missing:
        find_bicep(environ)
    assert "/nowhere" in str(missing.value)
    assert "az bicep install" in str(missing.value)


def test_command_fails_without_a_compiler(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("BICEP", "/nowhere/bicep")
    assert main([]) == 1
    assert "az bicep install" in capsys.readouterr().err


Fake = Callable[[str], Compiler]


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    """A function that starts a stand-in for the compiler, which answers a request with the given Python code."""

    def start(code: str) -> Compiler:
        reader = "import sys\nfor _ in range(2): line = sys.stdin.readline()\nout = sys.stdout\n"
        return Compiler(executable(tmp_path / "bicep", f"#!{sys.executable}\n{reader}{code}\n"))

    return start


def answer(body: str) -> str:
    return f"out.write('content-length: {len(body)}\\r\\nX-Other: 1\\r\\n\\r\\n' + {body!r}); out.flush()"


def test_headers_are_read_in_any_case(fake: Fake) -> None:
    with fake(answer('{"id": 1, "result": {"contents": "param a int"}}')) as compiler:
        assert compiler.format(Path("x.bicep")) == "param a int"


def test_error_of_the_compiler_is_raised(fake: Fake) -> None:
    body = '{"id": 1, "error": {"message": "outer", "data": {"message": "inner"}}}'
    with fake(answer(body)) as compiler, pytest.raises(BicepError, match="inner"):
        compiler.format(Path("x.bicep"))


@pytest.mark.parametrize("code", ["", "out.write('Content-Length: 100\\r\\n\\r\\n{')"])
def test_end_of_the_compiler_is_an_error(fake: Fake, code: str) -> None:
    with fake(code) as compiler, pytest.raises(BicepError, match="format"):
        compiler.format(Path("x.bicep"))


def test_compiler_that_exits_at_once_is_an_error(tmp_path: Path) -> None:
    compiler = Compiler(executable(tmp_path / "bicep", "#!/bin/sh\nexit 3\n"))
    compiler._process.wait()
    with compiler, pytest.raises(BicepError, match="3"):
        compiler.format(tmp_path / "x.bicep")


def test_failure_without_a_diagnostic_is_an_error(fake: Fake) -> None:
    body = '{"id": 1, "result": {"success": false, "diagnostics": []}}'
    with fake(answer(body)) as compiler, pytest.raises(BicepError, match=r"x\.bicep"):
        compiler.compile(Path("x.bicep"))


def test_compiler_does_not_see_the_azd_environment(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_ENV_NAME", "mine")
    monkeypatch.setenv("IMPASTO_NETWORK", "private")
    names = "names = ' '.join(name for name in __import__('os').environ if name.startswith(('AZURE', 'IMPASTO')))\n"
    body = 'body = \'{"id": 1, "result": {"contents": "seen: \' + names + \'"}}\'\n'
    with fake(f"{names}{body}out.write(f'Content-Length: {{len(body)}}\\r\\n\\r\\n' + body); out.flush()") as compiler:
        assert compiler.format(Path("x.bicep")) == "seen: "


TEMPLATE = """param name string

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: resourceGroup().location
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
}

output id string = account.id
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.bicep").write_text(TEMPLATE, encoding="utf-8")
    (tmp_path / "main.bicepparam").write_text("using './main.bicep'\n\nparam name = 'st1'\n", encoding="utf-8")
    set_level(tmp_path, "error")
    return tmp_path


def set_level(folder: Path, level: str) -> None:
    """Set the level of the linter rule `no-unused-params`."""
    config = {"analyzers": {"core": {"enabled": True, "rules": {"no-unused-params": {"level": level}}}}}
    (folder / "bicepconfig.json").write_text(json.dumps(config), encoding="utf-8")


def test_check_writes_and_accepts_snapshots(compiler: Compiler, folder: Path) -> None:
    assert check(compiler, folder, write=True) == Report()
    text = snapshot_file(folder / "main.bicepparam").read_text(encoding="utf-8")
    assert '"name": "st1"' in text
    assert check(compiler, folder) == Report()


def test_check_reports_a_changed_resource(compiler: Compiler, folder: Path) -> None:
    check(compiler, folder, write=True)
    (folder / "main.bicep").write_text(TEMPLATE.replace("Standard_LRS", "Standard_ZRS"), encoding="utf-8")
    report = check(compiler, folder).faults
    assert str(snapshot_file(folder / "main.bicepparam")) in report[0]
    assert any(line.startswith("-") and "Standard_LRS" in line for line in report)
    assert any(line.startswith("+") and "Standard_ZRS" in line for line in report)


def test_check_reports_a_missing_snapshot(compiler: Compiler, folder: Path) -> None:
    assert "main.snapshot.json" in check(compiler, folder).faults[0]


@pytest.mark.parametrize(
    ("file", "before", "after", "named"),
    [
        ("main.bicep", "name: name", "name: nothing", "BCP057"),
        ("main.bicep", "param name string", "param name string\nparam spare string = 'a'", "no-unused-params"),
        ("main.bicepparam", "'st1'", "1", "BCP033"),
        ("main.bicep", "  name: name", "    name:   name", "not formatted"),
    ],
)
def test_check_reports_faults(compiler: Compiler, folder: Path, file: str, before: str, after: str, named: str) -> None:
    check(compiler, folder, write=True)
    text = (folder / file).read_text(encoding="utf-8")
    (folder / file).write_text(text.replace(before, after), encoding="utf-8")
    report = check(compiler, folder).faults
    assert any(str(folder / file) in line and named in line for line in report)


def test_warning_of_a_linter_rule_is_printed_and_does_not_fail(
    compiler: Compiler, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unchanged template must not fail on the day when one of its API versions becomes old."""
    set_level(folder, "warning")
    (folder / "main.bicep").write_text(f"param spare string = 'a'\n{TEMPLATE}", encoding="utf-8")
    monkeypatch.setattr(checks, "TEMPLATES", folder)
    assert main(["--write"]) == 0
    assert "no-unused-params" in capsys.readouterr().err
    (finding,) = check(compiler, folder).warnings
    assert "no-unused-params" in finding


@pytest.mark.parametrize(
    ("level", "code", "is_fault"),
    [
        ("Error", "no-unused-params", True),
        ("Error", "BCP057", True),
        ("Warning", "BCP037", True),
        ("Warning", "use-recent-api-versions", False),
    ],
)
def test_only_warnings_of_linter_rules_are_no_faults(level: str, code: str, *, is_fault: bool) -> None:
    assert Diagnostic("main.bicep", 1, 1, level, code, "").is_fault is is_fault


def test_check_reports_what_a_snapshot_cannot_predict(compiler: Compiler, folder: Path) -> None:
    loop = "module parts 'part.bicep' = {}\n"
    part = """var zones = [environment().suffixes.storage, 'a']

resource account 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in union(zones, []): {
    name: zone
    location: 'global'
  }
]
"""
    (folder / "main.bicep").write_text(TEMPLATE.replace("\noutput", f"\n{loop}\noutput"), encoding="utf-8")
    (folder / "part.bicep").write_text(part, encoding="utf-8")
    report = check(compiler, folder, write=True).faults
    assert any("NestedDeploymentShortCircuited" in line for line in report)


def test_command_writes_the_snapshots(compiler: Compiler, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "TEMPLATES", folder)
    assert main(["--write"]) == 0
    assert check(compiler, folder) == Report()
