"""Replace the text between two markers of a Markdown page."""


def page_with(page: str, text: str, *, begin: str, end: str) -> str:
    """Return the page with `text` between its markers; ValueError if they are missing."""
    before, _, rest = page.partition(begin)
    _, end_marker, after = rest.partition(end)
    if not end_marker:
        raise ValueError(f"The page has no {begin} … {end}: add both markers where the text belongs")
    return f"{before}{begin}\n{text}\n{end}{after}"
