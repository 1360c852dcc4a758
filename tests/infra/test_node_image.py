"""The node image before it is built: rules for its Dockerfile, its build context, and a start from its files alone.

Tests of the built image: tests/node_image.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from string import Template

import pytest

from frame_tools.contracts.errors import ExitCode
from infra.hooks.image import context_files
from tests.infra.deployments import REPOSITORY
from tests.infra.test_package import tracked

DOCKERFILE = REPOSITORY / "scoring" / "Dockerfile"
PYTHON = REPOSITORY / ".venv-scoring" / "bin" / "python"
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
    assert locks == {"scoring/requirements-image.txt", "scoring/requirements-weights.txt"}


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
