"""Retry policies."""

from datetime import timedelta

from local_cloud.function_host.invocation.functions import RetryPolicy


def test_retry_policy() -> None:
    second = timedelta(seconds=1)
    growing = RetryPolicy(max_retries=3, fixed=None, minimum=second, maximum=timedelta(seconds=4))
    assert [growing.delay(retry, 1.0) for retry in (1, 2, 3, 4)] == [second, 2 * second, 3 * second, 4 * second]
    assert growing.delay(2, 0.8) == 1.8 * second
    assert [growing.allows(retry) for retry in (1, 3, 4)] == [True, True, False]
    assert RetryPolicy(max_retries=-1, fixed=second, minimum=second, maximum=second).allows(10**6)
