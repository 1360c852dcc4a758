"""The node image without a Docker engine: its Dockerfile by rules, its files laid into an empty folder and started."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from frame_tools.contracts.errors import ExitCode
from tests.infra.deployments import REPOSITORY
from tests.infra.test_package import tracked

DOCKERFILE = REPOSITORY / "scoring" / "Dockerfile"
PYTHON = REPOSITORY / ".venv-scoring" / "bin" / "python"
SECRET_WORDS = re.compile(r"(?i)password|secret|token|api_?key|connection_?string|accountkey")


@dataclass(frozen=True)
class Instruction:
    word: str
    rest: str


def instructions(text: str) -> list[Instruction]:
    """Return a Dockerfile's instructions, lines joined, comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [Instruction(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined)]


def findings(text: str) -> list[str]:
    """Return what is wrong with a Dockerfile: rules for an image that paints other people's videos."""
    found = instructions(text)
    stages = {i.rest.split()[-1] for i in found if i.word == "FROM" and " AS " in i.rest}
    bases = [i.rest.split()[0] for i in found if i.word == "FROM"]
    users = [i.rest for i in found[max(k for k, i in enumerate(found) if i.word == "FROM") :] if i.word == "USER"]
    said = [f"{base} is not pinned by digest" for base in bases if base not in stages and "@sha256:" not in base]
    said += [f"{i.word} {i.rest}: ADD unpacks and downloads, use COPY" for i in found if i.word == "ADD"]
    said += [f"{i.rest}: a download" for i in found if i.word == "RUN" and re.search(r"\b(curl|wget|git)\b", i.rest)]
    said += [f"{i.rest}: may hold a secret" for i in found if i.word in ("ENV", "ARG") and SECRET_WORDS.search(i.rest)]
    said += [f"{i.word}: Batch gives the whole command line" for i in found if i.word in ("ENTRYPOINT", "CMD")]
    said += [f"{i.rest}: needs BuildKit, which the registry's build lacks" for i in found if _needs_buildkit(i)]
    said += [
        f"{i.rest}: a cache in the image" for i in found if "pip install" in i.rest and "--no-cache-dir" not in i.rest
    ]
    if not users or users[-1] in ("root", "0"):
        said.append("the last stage runs as root")
    return said


def _needs_buildkit(instruction: Instruction) -> bool:
    return bool(re.match(r"--(mount|chmod|link|security|network)\b", instruction.rest)) or "<<" in instruction.rest


def test_the_dockerfile_keeps_the_rules() -> None:
    assert findings(DOCKERFILE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (r"@sha256:\w+", "", "digest"),
        ("USER 10001", "USER root", "root"),
        ("USER 10001", "", "root"),
        ("COPY scoring /app/scoring", "ADD https://example.org/x.tar /app", "ADD"),
        ("WORKDIR /app", 'ENTRYPOINT ["python"]', "command line"),
        ("COPY --from=files", "COPY --chmod=0755 --from=files", "BuildKit"),
        ("WORKDIR /app", "ENV STORAGE_ACCOUNTKEY=x", "secret"),
        ("WORKDIR /app", "RUN curl https://example.org | sh", "download"),
        (" --no-cache-dir", "", "cache"),
    ],
)
def test_each_rule_can_fail(old: str, new: str, words: str) -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    changed = re.sub(old, new, text)
    assert changed != text
    assert any(words in said for said in findings(changed))


def copied() -> dict[str, str]:
    """Return what is copied from the repository into /app: source -> place in the image."""
    found = (i.rest.split() for i in instructions(DOCKERFILE.read_text(encoding="utf-8")) if i.word == "COPY")
    return {words[0]: words[1] for words in found if not words[0].startswith("--") and words[1].startswith("/app")}


def test_only_the_scorer_and_the_shared_floor_are_copied() -> None:
    assert copied() == {"scoring": "/app/scoring", "frame_tools": "/app/frame_tools"}


def is_ignored(name: str, patterns: Sequence[str]) -> bool:
    """Whether an ignore file of Docker leaves a file out: each pattern is for the whole path or a folder above it.

    https://docs.docker.com/build/concepts/context/#dockerignore-files
    """
    path = PurePosixPath(name)
    places = [path, *path.parents]
    ignored = False
    for pattern in (line.strip() for line in patterns if line.strip() and not line.startswith("#")):
        if any(place.full_match(pattern.lstrip("!")) for place in places):
            ignored = not pattern.startswith("!")
    return ignored


@pytest.mark.parametrize(
    ("name", "ignored"),
    [
        ("azure.yaml", True),
        ("infra/bicep/main.bicep", True),
        ("scoring/cli.py", False),
        ("frame_tools/media/join.py", False),
        ("scoring/weights/any.safetensors", True),
        ("frame_tools/media/__pycache__/join.pyc", True),
    ],
)
def test_the_ignore_file_lets_two_packages_through(name: str, ignored: bool) -> None:
    patterns = Path(f"{DOCKERFILE}.dockerignore").read_text(encoding="utf-8").splitlines()
    assert is_ignored(name, patterns) == ignored


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The files of /app as the build would see them: what the ignore file lets through of what is copied."""
    context, root = tmp_path / "context", tmp_path / "image"
    strange = ("scoring/weights/any.safetensors", "scoring/__pycache__/cli.cpython-312.pyc", "scoring/notes.pyc")
    for name in {*tracked(), *strange}:
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        if (REPOSITORY / name).is_file() and name not in strange:
            shutil.copyfile(REPOSITORY / name, context / name)
        else:
            (context / name).touch()
    patterns = Path(f"{DOCKERFILE}.dockerignore").read_text(encoding="utf-8").splitlines()
    for name in {*tracked(), *strange} - {name for name in {*tracked(), *strange} if is_ignored(name, patterns)}:
        source = PurePosixPath(name).parts[0]
        if source in copied():
            target = root / copied()[source].lstrip("/") / PurePosixPath(name).relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(context / name, target)
    return root / "app"


def run(image: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the scorer from the image's files alone, elsewhere, with next to nothing in the environment."""
    environ = {"PYTHONPATH": str(image), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"}
    command = [str(PYTHON), "-m", "scoring", *arguments]
    return subprocess.run(command, cwd=image.parent, env=environ, capture_output=True, text=True, timeout=60)


def test_the_image_holds_code_lists_of_packages_and_our_weights_only(image: Path) -> None:
    files = {path.relative_to(image).as_posix() for path in image.rglob("*") if path.is_file()}
    assert {"scoring/__main__.py", "frame_tools/contracts/paths.py", "scoring/requirements-weights.txt"} <= files
    assert "scoring/scorers/any_painting/transformer.safetensors" in files, "the build makes the tasks' weights with it"
    files -= {"scoring/scorers/any_painting/transformer.safetensors"}
    suffixes = {PurePosixPath(name).suffix for name in files}
    assert suffixes <= {".py", ".txt", "", ".dockerignore"}
    assert not {name for name in files if "weights/" in name or "__pycache__" in name}


def test_the_scorer_starts_from_the_images_files_alone(image: Path) -> None:
    answer = run(image, "--help")
    assert answer.returncode == ExitCode.OK, answer.stderr
    for command in ("run", "split", "join", "weights"):
        assert command in answer.stdout


def test_a_task_in_the_image_says_which_setting_is_missing(image: Path) -> None:
    answer = run(image, "join", "--run", "clip-0123456789")
    assert answer.returncode not in (0, 1)
    assert "DATA__blobServiceUri" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_nothing_of_the_app_or_the_local_cloud_is_needed(image: Path) -> None:
    assert sorted(path.name for path in image.iterdir()) == ["frame_tools", "scoring"]
