"""What the deployment package of the Function App holds: all it needs, and nothing else."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """All files of the project that .funcignore leaves in; git reads its patterns, in a repository that knows none."""
    empty = tmp_path_factory.mktemp("git") / ".git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(empty)], check=True)
    git = ["git", f"--git-dir={empty}", f"--work-tree={ROOT}", "-c", "core.bare=false", "-c", "core.quotePath=false"]
    listed = subprocess.run(
        [*git, "ls-files", "--others", f"--exclude-from={ROOT / '.funcignore'}"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return set(listed.stdout.splitlines())


def test_it_holds_the_app_and_the_floor_and_nothing_else(package: set[str]) -> None:
    tops = {name.split("/")[0] for name in package}
    assert tops == {"function_app.py", "host.json", "requirements.txt", "orchestration", "frame_tools"}
    assert {Path(name).suffix for name in package} == {".py", ".json", ".txt"}


def test_it_holds_every_module_of_them(package: set[str]) -> None:
    modules = {
        path.relative_to(ROOT).as_posix()
        for folder in ("orchestration", "frame_tools")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert modules <= package


def test_what_the_package_imports_of_ours_is_in_it(package: set[str]) -> None:
    ours = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    for name in sorted(package):
        if not name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse((ROOT / name).read_text())):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            top = module.split(".")[0] if module else None
            assert top not in ours - {"orchestration", "frame_tools"}, f"{name} imports {module}"
