"""Write what a command makes between two markers of a page."""


def page_with(page: str, text: str, *, begin: str, end: str) -> str:
    """Return the page with `text` between its markers; ValueError if they are missing."""
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"The page has no {begin} … {end}: put both where the text belongs")
    return f"{before}{begin}\n{text}\n{end}{after}"
