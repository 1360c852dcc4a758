"""Paging and filters of lists."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.batch_service.contracts.errors import BatchError
from local_cloud.batch_service.routes.odata import paginate


@given(count=st.integers(0, 30), size=st.integers(1, 10))
def test_pages_join_to_filtered_list(count: int, size: int) -> None:
    entities = [{"id": f"T{i:02}", "state": "active" if i % 2 else "completed"} for i in range(count)]
    query = {"maxresults": str(size), "$filter": "state eq 'active'"}
    items: list[Any] = []
    token: str | None = None
    while True:
        page = paginate(entities, query if token is None else query | {"$skiptoken": token})
        assert len(page.items) <= size
        items += page.items
        token = page.next_token
        if token is None:
            break
    assert items == [entity for entity in entities if entity["state"] == "active"]


def test_filter_supports_paths_and_quotes() -> None:
    entities: list[dict[str, Any]] = [{"id": "a", "info": {"name": "it's"}}, {"id": "b"}]
    page = paginate(entities, {"$filter": "info/name eq 'it''s'", "$select": "id"})
    assert page.items == [{"id": "a"}]
    assert paginate(entities, {"$filter": "info/name ne 'it''s'"}).items == [{"id": "b"}]
    with pytest.raises(BatchError):
        paginate(entities, {"$filter": "id eq 'a' or id eq 'b'"})


@pytest.mark.parametrize("query", [{"$filter": "State eq 'active'"}, {"$select": "id,stat"}])
def test_unknown_property_is_rejected(query: dict[str, str]) -> None:
    with pytest.raises(BatchError) as caught:
        paginate([], query, names={"id", "state"})
    assert caught.value.code == "InvalidQueryParameterValue"
    assert caught.value.values["QueryParameterName"] in query


def test_known_property_may_be_absent() -> None:
    page = paginate([{"id": "a"}], {"$filter": "state ne 'x'", "$select": "id,state"}, names={"id", "state"})
    assert page.items == [{"id": "a"}]
