"""One function of each kind; each call leaves a JSON line in the file RECORD, which the tests read.

`pid` is the host's process id, `worker` that of the worker process.
"""

import json
import logging
import os
import threading
import time
import typing
from datetime import UTC, datetime

import azure.functions as func
from azure.functions.warmup import WarmUpContext

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
blueprint = func.Blueprint()


def record(function: str, **properties: object) -> None:
    line = (
        json.dumps({"function": function, "at": time.time(), "pid": os.getppid(), "worker": os.getpid(), **properties})
        + "\n"
    )
    with open(os.environ["RECORD"], "a", encoding="utf-8") as file:  # noqa: PTH123 - one write, appended whole
        file.write(line)


@app.blob_trigger(
    arg_name="blob", path="%PREFIX%-in/{name}.txt", connection="Data", source=func.BlobSource.LOGS_AND_CONTAINER_SCAN
)
@app.queue_output(arg_name="out", queue_name="%PREFIX%-made", connection="Data")
def on_blob(blob: func.InputStream, out: func.Out[typing.List[str]]) -> None:  # noqa: UP006 - the worker takes no list[str]
    body = blob.read()
    metadata = blob.metadata  # type: ignore[attr-defined]  # the worker's class has it, its base class does not
    record("on_blob", blob=blob.name, body=body.decode(), length=blob.length, uri=blob.uri, metadata=metadata)
    if body == b"bad":
        raise ValueError("a bad blob")
    name = blob.name.partition("/")[2].removesuffix(".txt")
    out.set([json.dumps({"name": name, "part": part}) for part in range(2)])


@app.queue_trigger(arg_name="message", queue_name="%PREFIX%-made", connection="Data")
@app.blob_input(arg_name="source", path="%PREFIX%-in/{name}.txt", connection="Data", data_type=func.DataType.BINARY)
@app.blob_input(arg_name="missing", path="%PREFIX%-in/not-there", connection="Data")
@app.blob_output(arg_name="result", path="%PREFIX%-out/{name}/{part}", connection="Data")
async def on_made(message: func.QueueMessage, source: bytes, missing: str, result: func.Out[bytes]) -> None:
    record("on_made", message=message.get_json(), source=str(source), missing=missing)
    result.set(bytes(source).upper())


@app.queue_trigger(arg_name="message", queue_name="%PREFIX%-work", connection="Data")
def on_work(message: func.QueueMessage) -> None:
    order = message.get_json()
    record("on_work", order=order, count=message.dequeue_count, id=message.id)
    print("printed by", order["name"])
    logging.getLogger("sample").info("logged by %s", order["name"])
    time.sleep(order.get("sleep", 0) if message.dequeue_count == 1 or not order.get("sleeps_once") else 0)
    if order.get("fail"):
        raise ZeroDivisionError("division by " + order["name"])
    record("on_work_end", order=order)


@app.queue_trigger(
    arg_name="message", queue_name="%PREFIX%-work-poison", connection="Data", data_type=func.DataType.BINARY
)
def on_poison(message: func.QueueMessage) -> None:
    record("on_poison", body=message.get_body().decode("utf-8", "backslashreplace"))


@app.blob_trigger(arg_name="blob", path="%PREFIX%-told/{name}", connection="Data", source=func.BlobSource.EVENT_GRID)
def on_event(blob: func.InputStream) -> None:
    record("on_event", blob=blob.name, body=blob.read().decode())


@blueprint.timer_trigger(arg_name="timer", schedule="%SCHEDULE%")
@blueprint.retry(strategy="fixed_delay", max_retry_count="1", delay_interval="00:00:00")
def on_time(timer: func.TimerRequest, context: func.Context) -> None:
    retry = context.retry_context.retry_count
    status = timer.schedule_status  # type: ignore[attr-defined]  # the worker's class has it, its base class does not
    record("on_time", past_due=timer.past_due, status=status, retry=retry)
    if os.environ.get("TIMER_FAILS_ONCE") and not retry:
        raise RuntimeError("the timer's first try")


@blueprint.route(route="items/{number:int}/{part?}", methods=["GET", "PUT"])
def item(req: func.HttpRequest) -> func.HttpResponse:
    answer = {"route": dict(req.route_params), "query": dict(req.params), "body": req.get_body().decode()}
    response = func.HttpResponse(json.dumps(answer), status_code=202, mimetype="application/json")
    response.headers.add("Set-Cookie", "one=1; Path=/")
    response.headers.add("Set-Cookie", "two=2")
    return response


@blueprint.route(route="items/special", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def special(req: func.HttpRequest) -> str:
    return "special"


@blueprint.route(route="files/{*path}", methods=["GET"], auth_level=func.AuthLevel.ADMIN)
def files(req: func.HttpRequest) -> str:
    return req.route_params.get("path", "none")


@blueprint.event_grid_trigger(arg_name="event")
def on_grid_event(event: func.EventGridEvent) -> None:
    record("on_grid_event", id=event.id, data=event.get_json())


@blueprint.route(route="publish/{text}", auth_level=func.AuthLevel.ANONYMOUS)
@blueprint.event_grid_output(arg_name="event", topic_endpoint_uri="TOPIC", topic_key_setting="TOPIC_KEY")
def publish(req: func.HttpRequest, event: func.Out[func.EventGridOutputEvent]) -> str:
    content = {"text": req.route_params["text"]}
    now = datetime.now(UTC)
    event.set(
        func.EventGridOutputEvent(
            id="id-1", data=content, subject="a subject", event_type="a type", event_time=now, data_version="1.0"
        )
    )
    return "published"


@blueprint.route(route="entities/{key}", auth_level=func.AuthLevel.ANONYMOUS)
@blueprint.table_input(arg_name="entities", connection="Data", table_name="%PREFIX%", partition_key="{key}", take=5)
def list_entities(req: func.HttpRequest, entities: str) -> str:
    return json.dumps([entity["RowKey"] for entity in json.loads(entities)])


@blueprint.warm_up_trigger(arg_name="warmup")
def on_warmup(warmup: WarmUpContext) -> None:
    record("on_warmup")


meeting = threading.Barrier(30)


@blueprint.route(auth_level=func.AuthLevel.ANONYMOUS)
def meet(req: func.HttpRequest) -> str:
    """Return when 30 calls run at the same time."""
    meeting.wait(20)
    return "met"


@blueprint.route(auth_level=func.AuthLevel.ANONYMOUS)
def broken(req: func.HttpRequest) -> str:
    raise LookupError("nothing to see")


app.register_functions(blueprint)
