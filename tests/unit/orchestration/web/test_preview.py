"""The sheet of looks, what a preview would take, and the button that orders it."""

import json
from dataclasses import replace
from typing import Any

import azure.functions as func
import pytest

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.preview_paths import PreviewPaths
from orchestration.app import App
from orchestration.azure_batch.pool import NodeCounts
from orchestration.web.preview_view import offer, read_preview
from tests.support.host_call import call as host_call
from tests.support.interception import intercept
from tests.support.memory_world import InMemoryCloud
from tests.support.preview_node import fail_preview, finish_preview, paint_looks
from tests.support.world import World
from tests.unit.orchestration.previews.test_previews import CALL, LOOKS, order, upload
from tests.unit.orchestration.web.conftest import FROM_THE_PAGE, Fetch

QUERY = {"width": ["1920"], "height": ["1080"], "paintings": ["3"]}


def in_azure(counts: NodeCounts) -> App:
    app = InMemoryCloud().world(batch_endpoint="https://a.westeurope.batch.azure.com").app
    pool = app.batch.pool()
    assert pool is not None
    nvidia = replace(pool, vm_size="Standard_NC4as_T4_v3")
    batch = intercept(app.batch, pool=lambda _original: nvidia, node_counts=lambda _original: counts)
    return replace(app, batch=batch)


def test_offer_says_what_a_preview_takes() -> None:
    here = offer(InMemoryCloud().world().app, QUERY)
    assert (here.looks, here.cost, here.wait) == ("27 previews", "on this computer", "")
    ready = offer(in_azure(NodeCounts(total=1, idle=1)), QUERY)
    cold = offer(in_azure(NodeCounts()), QUERY)
    assert (ready.wait, cold.wait) == ("a GPU is ready", "a GPU has to start first, usually 5–10 min")
    assert ready.cost.lstrip("<").strip().startswith("$")
    # The node that has to start is billed from its order to its release.
    assert float(cold.cost.lstrip("<$ ")) > float(ready.cost.lstrip("<$ "))


@pytest.mark.parametrize(("name", "value"), [("width", "0"), ("height", "x"), ("paintings", "7")])
def test_values_are_checked(name: str, value: str) -> None:
    with pytest.raises(InputError, match=name):
        offer(InMemoryCloud().world().app, QUERY | {name: [value]})


def test_sheet_has_rows_by_painting_and_columns_by_strength(world: World) -> None:
    upload(world)
    preview = order(world, strengths=[0.4, 1.0])
    view = read_preview(world.app, preview.preview_id)
    assert view.columns == ("Subtle · 40 %", "Full · 100 %")
    assert list(view.sheets) == ["fine", "medium"]
    assert [row.title for row in view.sheets["medium"]] == ["wave", "wheat"]
    assert [cell.id for row in view.sheets["medium"] for cell in row.cells] == [f"look-{number}" for number in range(4)]
    assert view.is_open
    assert "GPU" not in view.state  # on this machine nothing has to start
    paint_looks(world.storage, preview.preview_id, count=2)
    view = read_preview(world.app, preview.preview_id)
    assert view.state == f"Painting {LOOKS} previews… 2 done"
    painted = view.sheets["medium"][0].cells[0]
    assert painted.pictures.split() == [painted.shown.replace("-1.jpg", f"-{frame}.jpg") for frame in range(2)]
    finish_preview(world.storage, preview.preview_id)
    view = read_preview(world.app, preview.preview_id)
    assert (view.is_open, view.state) == (False, f"{LOOKS} previews, painted in 6 s")


def test_waiting_in_azure_says_for_what(world: World) -> None:
    upload(world)
    away = world.changed(batch_endpoint="https://a.westeurope.batch.azure.com")
    view = read_preview(away.app, order(world).preview_id)
    assert view.state.startswith("Waiting for a GPU · usually 5–10 min")
    assert view.poll_seconds > 1


def test_failure_is_shown_with_its_remedy(world: World) -> None:
    upload(world)
    preview = order(world)
    fail_preview(world.storage, preview.preview_id)
    view = read_preview(world.app, preview.preview_id)
    assert (view.is_open, view.error) == (False, "holiday.mp4 contains no frames. Upload another clip.")


def test_part_escapes_names_and_asks_again_only_while_open(world: World, fetch: Fetch) -> None:
    upload(world)
    world.upload_files("holiday", {"a (b).png": world.storage.input.need("holiday/wave.png").data})
    preview = order(world, paintings=["a (b).png"]).preview_id
    answer = fetch("ui_part", part="preview", run_id=preview)
    assert (answer.status_code, b'hx-trigger="every 1s"' in answer.get_body()) == (200, True)
    finish_preview(world.storage, preview)
    assert b"hx-trigger" not in fetch("ui_part", part="preview", run_id=preview).get_body()
    assert fetch("ui_part", part="preview", run_id=f"preview-{'0' * 20}").status_code == 404
    assert fetch("ui_part", part="preview", run_id="clip-0123456789").status_code == 400
    assert fetch("ui_part", part="preview").status_code == 404


def press(body: Any, headers: dict[str, str]) -> func.HttpResponse:
    request = func.HttpRequest(
        method="POST",
        url="https://app.example/ui/actions/preview",
        headers=headers,
        route_params={"action": "preview"},
        body=json.dumps(body).encode(),
    )
    answer: func.HttpResponse = host_call("ui_action", request)
    return answer


def test_button_orders_a_preview_for_this_page_only(world: World, fetch: Fetch) -> None:
    upload(world)
    assert press(CALL, {}).status_code == 403
    assert list(world.storage.runs.list("previews/")) == []
    answer = press(CALL, FROM_THE_PAGE)
    preview_id = json.loads(answer.get_body())["preview_id"]
    assert world.storage.runs.exists(PreviewPaths(preview_id).order)
    assert press({**CALL, "clip": "away.mp4"}, FROM_THE_PAGE).status_code == 400
