"""Pages of numbered things: which numbers are on a page, and which page comes next."""

from frame_tools.contracts.errors import InputError


def numbers_of_page(total: int, *, limit: int, after: str | None) -> range:
    """Return the numbers on the page after the number `after`, of those in [0, total).

    Raises InputError if `after` is no number.
    """
    if after is None:
        return range(min(limit, total))
    if not (after.isascii() and after.isdecimal() and len(after) <= 9):
        raise InputError(f"after is {after[:40]!r}", "Take it from the field next of the page before")
    start = int(after) + 1
    return range(min(start, total), min(start + limit, total))


def next_page(numbers: range, total: int) -> str | None:
    """Return the parameter `after` of the page that follows, None after the last one."""
    return str(numbers[-1]) if numbers and numbers[-1] + 1 < total else None
