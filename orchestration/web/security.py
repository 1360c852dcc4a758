"""What keeps other sites out: the headers of every screen, and the check of where a request comes from."""

from collections.abc import Mapping
from urllib.parse import urlsplit


def page_headers(data_origin: str, *, without_data: bool) -> dict[str, str]:
    """Return the headers of an HTML answer. Screens without data may be kept, but must be validated.

    Scripts and styles come from files of this app only, never from within the HTML: a run's name that contains HTML
    could do nothing even if it were not escaped. Pictures, videos and uploads go to the data account.
    """
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "font-src": "'self'",
        "img-src": f"'self' blob: {data_origin}",
        "media-src": f"'self' blob: {data_origin}",
        "connect-src": f"'self' {data_origin}",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-cache" if without_data else "no-store",
    }


def is_from_other_site(headers: Mapping[str, str], url: str) -> bool:
    """Return whether a browser sends this request for a page of another site; programs send none of these headers."""
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return True
    origin = headers.get("origin")
    host = headers.get("x-forwarded-host") or headers.get("host") or urlsplit(url).netloc
    return origin is not None and urlsplit(origin).netloc != host


def is_from_this_page(headers: Mapping[str, str], url: str) -> bool:
    """Return whether a request that changes something comes from this app's own page, not from another site.

    Browsers send Sec-Fetch-Site or Origin with every POST; another site cannot forge either. The header of htmx is
    required, too: another site may not send it without a preflight request, which this app does not answer.
    """
    return headers.get("hx-request") == "true" and not is_from_other_site(headers, url)


def is_signed_in(headers: Mapping[str, str], *, has_entra: bool) -> bool:
    """Return whether App Service authentication names a person, if people sign in with Entra ID.

    It removes these headers from what clients send. Without it, in a deployment where only the setting was changed,
    nobody is signed in. The host itself has checked the function key otherwise.
    """
    return not has_entra or bool(headers.get("x-ms-client-principal-id"))
