"""The node image before it is built: rules for its Dockerfile, its build context, and a start from its files alone.

Tests of the built image: tests/node_image.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from string import Template

import pytest

from frame_tools.contracts.errors import ExitCode
from infra.hooks.image import EXTRA, content_tag, context_files
from tests.infra.deployments import REPOSITORY
from tests.infra.test_package import tracked

DOCKERFILE = REPOSITORY / "scoring" / "Dockerfile"
PYTHON = REPOSITORY / ".venv-scoring" / "bin" / "python"
EXTRA_FOLDER = "/tmp/extra"  # noqa: S108 - a folder of the image
SECRET_NAME = re.compile(r"(?i)password|secret|token|api_?key|connection_?string|accountkey")


@dataclass(frozen=True)
class Instruction:
    keyword: str
    arguments: str


def instructions(text: str) -> list[Instruction]:
    """Parse a Dockerfile; continued lines are joined, comments skipped."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    parts = (line.partition(" ") for line in joined)
    return [Instruction(keyword.upper(), arguments.strip()) for keyword, _, arguments in parts]


def violations(text: str) -> list[str]:
    """Return a message for each rule that a Dockerfile violates."""
    parsed = instructions(text)
    stages = {i.arguments.split()[-1] for i in parsed if i.keyword == "FROM" and " AS " in i.arguments}
    defaults = dict(i.arguments.split("=", 1) for i in parsed if i.keyword == "ARG" and "=" in i.arguments)
    bases = [Template(i.arguments.split()[0]).safe_substitute(defaults) for i in parsed if i.keyword == "FROM"]
    users = [
        i.arguments
        for i in parsed[max(k for k, i in enumerate(parsed) if i.keyword == "FROM") :]
        if i.keyword == "USER"
    ]
    messages = [f"{base} is not pinned by digest" for base in bases if base not in stages and "@sha256:" not in base]
    messages += [
        f"{base}: Docker Hub limits anonymous pulls; use another registry"
        for base in bases
        if base not in stages and not re.match(r"(?!docker\.io/)[a-z0-9-]+\.[a-z0-9.-]+/", base)
    ]
    messages += [
        f"{i.keyword} {i.arguments}: ADD unpacks and downloads; use COPY" for i in parsed if i.keyword == "ADD"
    ]
    messages += [
        f"{i.arguments}: downloads a file"
        for i in parsed
        if i.keyword == "RUN" and re.search(r"\b(curl|wget|git)\b", i.arguments)
    ]
    messages += [
        f"{i.arguments}: may hold a secret"
        for i in parsed
        if i.keyword in ("ENV", "ARG") and SECRET_NAME.search(i.arguments)
    ]
    messages += [
        f"{i.keyword}: Batch sets the whole command line" for i in parsed if i.keyword in ("ENTRYPOINT", "CMD")
    ]
    messages += [
        f"{i.arguments}: requires BuildKit, which Azure Container Registry builds lack"
        for i in parsed
        if _needs_buildkit(i)
    ]
    messages += [
        f"{i.arguments}: leaves a pip cache in the image"
        for i in parsed
        if "pip install" in i.arguments and "--no-cache-dir" not in i.arguments
    ]
    if not users or users[-1] in ("root", "0"):
        messages.append("the last stage runs as root")
    return messages


def _needs_buildkit(instruction: Instruction) -> bool:
    return (
        bool(re.match(r"--(mount|chmod|link|security|network)\b", instruction.arguments))
        or "<<" in instruction.arguments
    )


def test_dockerfile_follows_the_rules() -> None:
    assert violations(DOCKERFILE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new", "fragment"),
    [
        (r"@sha256:\w+", "", "digest"),
        ("mcr.microsoft.com/mirror/docker/library/", "", "Docker Hub"),
        ("mcr.microsoft.com/mirror/docker/", "docker.io/", "Docker Hub"),
        ("USER 10001", "USER root", "root"),
        ("USER 10001", "", "root"),
        ("COPY scoring /app/scoring", "ADD https://example.org/x.tar /app", "ADD"),
        ("WORKDIR /app", 'ENTRYPOINT ["python"]', "command line"),
        ("COPY --from=build", "COPY --chmod=0755 --from=build", "BuildKit"),
        ("WORKDIR /app", "ENV STORAGE_ACCOUNTKEY=x", "secret"),
        ("WORKDIR /app", "RUN curl https://example.org | sh", "download"),
        (" --no-cache-dir", "", "cache"),
    ],
)
def test_violation_of_each_rule_is_detected(old: str, new: str, fragment: str) -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    changed = re.sub(old, new, text)
    assert changed != text
    assert any(fragment in message for message in violations(changed))


def copied_folders() -> dict[str, str]:
    """Return the COPY instructions from the repository into /app: source -> target."""
    parsed = instructions(DOCKERFILE.read_text(encoding="utf-8"))
    paths = (i.arguments.split() for i in parsed if i.keyword == "COPY")
    return {path[0]: path[1] for path in paths if not path[0].startswith("--") and path[1].startswith("/app")}


def test_image_copies_scoring_and_frame_tools_only() -> None:
    assert copied_folders() == {"scoring": "/app/scoring", "frame_tools": "/app/frame_tools"}


def is_ignored(name: str, patterns: Sequence[str]) -> bool:
    """Return whether Docker's ignore file excludes a file; a pattern matches the path or a parent folder.

    https://docs.docker.com/build/concepts/context/#dockerignore-files
    """
    path = PurePosixPath(name)
    candidates = [path, *path.parents]
    ignored = False
    for pattern in (line.strip() for line in patterns if line.strip() and not line.startswith("#")):
        if any(candidate.full_match(pattern.lstrip("!")) for candidate in candidates):
            ignored = not pattern.startswith("!")
    return ignored


IGNORED = (
    "azure.yaml",
    "infra/bicep/main.bicep",
    ".venv/lib/site.py",
    ".venv-scoring/lib/site.py",
    "node_modules/azurite/package.json",
    ".local/cloud/logs/batch.log",
    ".azure/dev/.env",
    ".env",
    ".git/config",
    "out/film.mp4",
    "local.settings.json",
    "tests/conftest.py",
    "benchmarks/run.py",
    "scoring/weights/any.safetensors",
    "scoring/requirements-dev.txt",
    "scoring/requirements.in",
    "scoring/requirements-image.in",
    "scoring/__pycache__/cli.cpython-312.pyc",
    "frame_tools/media/__pycache__/join.pyc",
    "frame_tools/py.typed",
)


def ignore_patterns() -> list[str]:
    return (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", IGNORED)
def test_build_context_leaves_out(name: str) -> None:
    assert is_ignored(name, ignore_patterns())


def test_one_ignore_file_for_all_builders() -> None:
    """Docker prefers an ignore file beside the Dockerfile; the registry and other builders read the root's only."""
    assert [name for name in tracked() if name.endswith(".dockerignore")] == [".dockerignore"]


def test_hook_and_ignore_file_let_the_same_files_through() -> None:
    present = {name for name in tracked() if (REPOSITORY / name).is_file()}
    admitted = {name for name in present if not is_ignored(name, ignore_patterns())}
    assert admitted == {str(name) for name in context_files(REPOSITORY)}
    assert {"scoring/Dockerfile", "scoring/cli.py", "frame_tools/media/join.py"} <= admitted
    locks = {name for name in admitted if "requirements" in name}
    own = {f"scoring/{EXTRA}"}  # a fork may have it
    assert locks - own == {"scoring/requirements-image.txt", "scoring/requirements-weights.txt"}


def test_packages_of_ones_own_are_in_the_build_context_and_in_the_tag(tmp_path: Path) -> None:
    (tmp_path / "scoring").mkdir()
    (tmp_path / "scoring" / "cli.py").touch()
    before = content_tag(tmp_path)
    (tmp_path / "scoring" / EXTRA).write_text("timm==1.0.0\n")
    assert PurePosixPath("scoring", EXTRA) in context_files(tmp_path)
    assert content_tag(tmp_path) != before, "another list of packages is another image"
    assert not is_ignored(f"scoring/{EXTRA}", ignore_patterns())


def extra_step() -> str:
    """Return the command of the Dockerfile that installs packages of one's own."""
    parsed = instructions(DOCKERFILE.read_text(encoding="utf-8"))
    position, step = next((k, i.arguments) for k, i in enumerate(parsed) if i.keyword == "RUN" and EXTRA in i.arguments)
    copied = parsed[position - 1]
    assert (copied.keyword, copied.arguments.split()[-1]) == ("COPY", f"{EXTRA_FOLDER}/")
    sources = copied.arguments.split()[:-1]
    assert fnmatch(f"scoring/{EXTRA}", sources[1])
    assert (REPOSITORY / sources[0]).is_file(), "a pattern alone fails without the file"
    lock = next(k for k, i in enumerate(parsed) if i.keyword == "RUN" and "--require-hashes" in i.arguments)
    uninstalled = next(k for k, i in enumerate(parsed) if "pip uninstall" in i.arguments)
    assert lock < position < uninstalled
    return step


@pytest.mark.parametrize("has_extra", [True, False])
def test_dockerfile_installs_packages_of_ones_own_within_the_lock(tmp_path: Path, has_extra: bool) -> None:
    """The step itself, run with a pip that writes down its arguments."""
    if has_extra:
        (tmp_path / EXTRA).write_text("timm==1.0.0\n")
    pip = tmp_path / "pip"
    pip.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ "$1" = freeze ] && echo numpy==2.4.0 || true\n')
    pip.chmod(0o755)
    step = extra_step().replace(EXTRA_FOLDER, str(tmp_path))
    subprocess.run(["/bin/sh", "-ec", step], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)
    if not has_extra:
        assert not (tmp_path / "calls").exists()
        return
    freeze, install = (tmp_path / "calls").read_text().splitlines()
    assert freeze == "freeze"
    assert install.split()[0] == "install"
    assert f"--constraint {tmp_path}/locked.txt --requirement {tmp_path}/{EXTRA}" in install
    assert (tmp_path / "locked.txt").read_text() == "numpy==2.4.0\n"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The files of /app as a build copies them."""
    for name in context_files(REPOSITORY):
        target = tmp_path / copied_folders()[name.parts[0]].lstrip("/") / name.relative_to(name.parts[0])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, target)
    return tmp_path / "app"


def run(image: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the scorer from the image's files in an almost empty environment."""
    environ = {"PYTHONPATH": str(image), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"}
    command = [str(PYTHON), "-m", "scoring", *arguments]
    return subprocess.run(command, cwd=image.parent, env=environ, capture_output=True, text=True, timeout=60)


def test_scorer_starts_from_the_image_alone(image: Path) -> None:
    result = run(image, "--help")
    assert result.returncode == ExitCode.OK, result.stderr
    for command in ("run", "split", "join", "weights"):
        assert command in result.stdout


def test_task_in_the_image_names_a_missing_setting(image: Path) -> None:
    result = run(image, "join", "--run", "clip-0123456789")
    assert result.returncode not in (0, 1)
    assert "DATA__blobServiceUri" in result.stderr
    assert "Traceback" not in result.stderr


def test_image_has_no_app_and_no_local_cloud(image: Path) -> None:
    assert sorted(path.name for path in image.iterdir()) == ["frame_tools", "scoring"]
