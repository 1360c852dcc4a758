"""The Bicep compiler for tests that evaluate the templates with parameters of their own."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.tools.bicep.compiler import BicepMissingError, Compiler, find_bicep
from tests.infra.deployments import MAIN, Resource, resources_of

Deploy = Callable[..., list[Resource]]


@pytest.fixture(scope="session")
def compiler() -> Iterator[Compiler]:
    """One compiler for all tests. Without a compiler the tests fail: a skipped test would look like a passed one."""
    try:
        executable = find_bicep(os.environ)
    except BicepMissingError as error:
        pytest.fail(str(error), pytrace=False)
    with Compiler(executable) as running:
        yield running


@pytest.fixture
def deployed(compiler: Compiler, tmp_path: Path) -> Deploy:
    """A function that returns what a template deploys with some parameters and defaults for the rest."""

    def deploy(template: Path = MAIN, **parameters: object) -> list[Resource]:
        if template == MAIN:
            parameters = {"environmentName": "dev", **parameters}
        file = tmp_path / "variant.bicepparam"
        using = os.path.relpath(template, tmp_path).replace(os.sep, "/")
        values = [f"param {name} = json('''{json.dumps(value)}''')" for name, value in parameters.items()]
        file.write_text("\n".join([f"using '{using}'", *values, ""]), encoding="utf-8")
        return resources_of(compiler.snapshot(file))

    return deploy
