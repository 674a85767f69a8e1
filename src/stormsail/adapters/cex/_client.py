"""A ccxt client without keys, whose every call is retried in reason and fails in plain words."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from stormsail.adapters.cex._table import Door
from stormsail.core import MissingExtraError, VenueError

T = TypeVar("T")
Sleep = Callable[[float], object]
PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between tries; a venue that says how long to wait is obeyed, up to a minute."""


class Client:
    """One ccxt exchange object, reached through :meth:`call`.

    Args:
        venue: For error messages.
        door: Which ccxt client.
        base_url: Scheme and host to speak to instead of the venue's own, for tests and proxies.
        sleep: What waits between tries.

    Raises:
        MissingExtraError: If ccxt is not installed.
    """

    def __init__(self, venue: str, door: Door, base_url: str | None = None, sleep: Sleep = time.sleep) -> None:
        try:
            import ccxt
        except ImportError as error:
            raise MissingExtraError(
                "fetching from venues needs ccxt", cure="install it: pip install 'stormsail[live]'", where=venue
            ) from error
        self.venue = venue
        self._sleep = sleep
        self._errors = ccxt
        self.exchange: Any = getattr(ccxt, door.exchange)({"options": dict(door.options), "timeout": 20_000})
        self.exchange.handle_errors = _strict(ccxt, self.exchange.handle_errors)
        self.version = str(ccxt.__version__)
        if base_url is not None:
            self.exchange.urls["api"] = _redirected(self.exchange.urls["api"], base_url.rstrip("/"))
            self.exchange.enableRateLimit = False
        self.call("markets", self.exchange.load_markets)

    def call(self, what: str, request: Callable[[], T]) -> T:
        """The answer of ``request``, tried again after network trouble, rate limits and unreadable answers.

        Raises:
            VenueError: If the venue refuses, stays silent, or answers what cannot be read.
        """
        for pause in (*PAUSES, None):
            try:
                return request()
            except (self._errors.NetworkError, self._errors.BadResponse) as error:
                cause, cure = _plain(error), "try again later"
                wait = _asked_to_wait(self.exchange)
            except self._errors.BaseError as error:
                raise VenueError(
                    f"{what}: {_plain(error)}", cure="check the name and the span", where=self.venue
                ) from error
            except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
                # JSON of another form than ccxt expects makes it stumble.
                cause, cure = f"an answer that cannot be read ({type(error).__name__})", "try again later"
                wait = None
            if pause is not None:
                self._sleep(max(pause, wait or 0.0))
        raise VenueError(f"{what}: {cause} ({len(PAUSES) + 1} tries)", cure=cure, where=self.venue)

    def offers(self, ability: str) -> bool:
        """Whether ccxt can ask the venue for that."""
        return bool(self.exchange.has.get(ability))


def _strict(ccxt: Any, lenient: Callable[..., object]) -> Callable[..., object]:
    """ccxt's check of an answer, preceded by two of our own.

    ccxt takes an answer that is not JSON for an empty one, which would make a hole in a history without a word; and
    where a venue's error body has an unusual form it does not look at the status, which says whether to try again.
    """

    def check(
        code: int, reason: str, url: str, method: str, headers: Any, body: str, parsed: Any, *rest: Any
    ) -> object:
        if code in (418, 429):
            raise ccxt.RateLimitExceeded(f"{code} {reason}")
        if code >= 500:
            raise ccxt.ExchangeNotAvailable(f"{code} {reason}")
        if parsed is None and code < 400:
            raise ccxt.BadResponse("an answer that is not JSON")
        return lenient(code, reason, url, method, headers, body, parsed, *rest)

    return check


def _plain(error: Exception) -> str:
    """First line of a message, shortened, without what may stand before an @ in an address."""
    text = re.sub(r"//[^/@\s]+@", "//", str(error).splitlines()[0] if str(error) else "")
    return f"{type(error).__name__} {text[:160]}".strip()


def _asked_to_wait(exchange: Any) -> float | None:
    headers = {str(k).lower(): v for k, v in (exchange.last_response_headers or {}).items()}
    try:
        return min(60.0, max(0.0, float(headers["retry-after"])))
    except (KeyError, ValueError):
        return None


def _redirected(urls: Any, base_url: str) -> Any:
    if isinstance(urls, dict):
        return {name: _redirected(url, base_url) for name, url in urls.items()}
    return base_url + urlsplit(urls.replace("{hostname}", "host")).path if isinstance(urls, str) else urls
