"""Access keys."""

from local_cloud.function_host.triggers.http.keys import Keys


def test_missing_keys_are_generated() -> None:
    keys, generated = Keys.from_settings({"LOCAL_HOST_MASTER_KEY": "m"})
    assert sorted(generated) == ["LOCAL_HOST_FUNCTION_KEY", "LOCAL_HOST_SYSTEM_KEY"]
    assert len({*generated.values(), "m"}) == 3
    assert keys.allows("admin", "m")
    assert not keys.allows("admin", keys.function)
    assert not keys.allows("function", "")
    assert keys.is_known(keys.function)
    assert not keys.is_known("")
