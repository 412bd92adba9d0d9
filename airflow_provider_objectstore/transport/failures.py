"""
What an error of an HTTP library says about a request.

Such errors quote what a server has sent, of any length, which may hold a secret that nobody knows yet. No error of this
package repeats it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.client import BadStatusLine, UnknownProtocol

_FIRST_LINES = BadStatusLine, UnknownProtocol
"""Errors whose message is the first line of a response."""
MAX_TEXT = 500
"""Most characters of a library's message."""
_BEFORE_QUOTES = "Bad status line ", "with base 10: ", "string to float: ", "timestamp "
_QUOTE = re.compile(
    r"""\b(?:bytearray\()?b\\*['"]|(?:""" + "|".join(f"(?<={before})" for before in _BEFORE_QUOTES) + r""")['"]"""
)
"""Where a message begins to quote a response: libraries quote it as bytes, and numbers and times as text."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """
    Yield an error and its causes.

    :param error: any error; requests and urllib3 keep some causes in arguments instead of ``__cause__``.
    """
    current: BaseException | None = error
    while current is not None:
        yield current
        inner = [arg for arg in (getattr(current, "reason", None), *current.args) if isinstance(arg, BaseException)]
        current = inner[0] if inner else current.__cause__ or current.__context__


def failure_text(error: BaseException) -> str:
    """
    Return what an error says, without what it quotes.

    :param error: the error of a library.
    """
    if type(error) in _FIRST_LINES:
        return "the response does not begin as HTTP"
    text = str(error)
    quote = _QUOTE.search(text)
    return text[: quote.start() if quote else MAX_TEXT][:MAX_TEXT].rstrip(" :,\n") or type(error).__name__


def shown_cause(error: BaseException) -> BaseException | None:
    """
    Return an error as the cause of another; None if it quotes a response.

    :param error: the error of a library.
    """
    return None if any(_quotes(each) for each in causes(error)) else error


def _quotes(error: BaseException) -> bool:
    return type(error) in _FIRST_LINES or len(text := str(error)) > MAX_TEXT or _QUOTE.search(text) is not None
