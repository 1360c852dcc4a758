"""Waiting for the first of several asyncio events."""

import asyncio


async def wait_for_any(*events: asyncio.Event, timeout: float) -> bool:
    """Wait until one of the events is set, at most `timeout` seconds. Return whether one was set."""
    waiters = [asyncio.create_task(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waiters, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
    return bool(done)
