"""The trigger: subscribe the function `start_run` to the events of new trigger files."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from infra.hooks.azure import ROOT, AzureCli, HookError, value
from infra.hooks.function_list import missing_functions

FUNCTION = "start_run"
_PAUSE_S = 15
_LIMIT_S = 600
_REFUSALS_WITH_DEAD_LETTERS = 3
"""A storage firewall can refuse the container for dead letters; after so many refusals the subscription has none."""
_WITHOUT_DEAD_LETTERS = (
    "The trigger is connected, but without a container for undelivered events, which was refused. The sweep starts the "
    "runs of lost events all the same."
)


@dataclass(frozen=True)
class Waiting:
    """How long to wait, and the clock that measures it."""

    limit_s: float = _LIMIT_S
    pause_s: float = _PAUSE_S
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def connect_trigger(az: AzureCli, environ: Mapping[str, str], waiting: Waiting = Waiting()) -> None:
    """Deploy blobtrigger.bicep as soon as the app answers, and try again for ten minutes.

    After a deployment of code the host needs minutes until its key exists and the function is loaded, and Event Grid
    accepts a subscription only if the function answers its validation event. Repeating a deployment changes nothing.
    Raises `HookError` with the last obstacle when the time is up.
    """
    group, app = value(environ, "AZURE_RESOURCE_GROUP"), value(environ, "AZURE_FUNCTION_APP_NAME")
    topic, api = value(environ, "EVENT_TOPIC_NAME"), value(environ, "IMPASTO_API")
    ops = (urllib.parse.urlsplit(value(environ, "OPS__blobServiceUri")).hostname or "").partition(".")[0]
    deadline = waiting.now() + waiting.limit_s
    refusals = 0
    while True:
        obstacle = _obstacle(az, group, app, api)
        if obstacle is None:
            keeps_dead_letters = refusals < _REFUSALS_WITH_DEAD_LETTERS
            names = (f"functionAppName={app}", f"topicName={topic}", f"opsAccountName={ops}")
            if _deploy(az, group, *names, f"keepDeadLetters={str(keeps_dead_letters).lower()}"):
                print("The trigger is connected." if keeps_dead_letters else _WITHOUT_DEAD_LETTERS)
                return
            refusals += 1
            obstacle = "Event Grid did not accept the subscription"
        if waiting.now() >= deadline:
            raise HookError(f"{obstacle}. The app is deployed; connect it later with `azd hooks run postdeploy`.")
        print(f"{obstacle}. Trying again.")
        waiting.sleep(waiting.pause_s)


def _deploy(az: AzureCli, group: str, *parameters: str) -> bool:
    template = ("--template-file", str(ROOT / "infra" / "bicep" / "blobtrigger.bicep"))
    options = ("--resource-group", group, "--name", "blobtrigger", "--output", "none")
    return az.run("deployment", "group", "create", *options, *template, "--parameters", *parameters)


def _obstacle(az: AzureCli, group: str, app: str, api: str) -> str | None:
    """Return why the app cannot be connected yet, or None."""
    keys = ("functionapp", "keys", "list", "--resource-group", group, "--name", app)
    key = az.read(*keys, "--query", "systemKeys.blobs_extension", "--output", "tsv")
    if not key:
        return "The key blobs_extension does not exist yet"
    if missing := missing_functions(az, group, app):
        return f"The host has not loaded the functions {', '.join(sorted(missing))}"
    answer = validate(api, key)
    return None if answer is None else f"The function {FUNCTION} does not answer yet ({answer})"


def validate(api: str, key: str) -> str | None:
    """Send the app a validation event like that of Event Grid; return what is wrong with the answer, or None."""
    code = str(uuid.uuid4())
    query = urllib.parse.urlencode({"functionName": f"Host.Functions.{FUNCTION}", "code": key})
    event = {
        "id": code,
        "topic": "",
        "subject": "",
        "data": {"validationCode": code},
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": datetime.now(UTC).isoformat(),
        "metadataVersion": "1",
        "dataVersion": "1",
    }
    host = api.removesuffix("/api")
    request = urllib.request.Request(  # noqa: S310
        f"{host}/runtime/webhooks/blobs?{query}",
        data=json.dumps([event]).encode(),
        headers={"Content-Type": "application/json", "aeg-event-type": "SubscriptionValidation"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            text = response.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except OSError as error:
        return str(error)
    return None if code in text else "no validation code in the answer"
