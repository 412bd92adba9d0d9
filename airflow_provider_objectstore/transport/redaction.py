"""Redact secrets in errors and logs, however a service or a library escapes or encodes them."""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from html import unescape

MASK = "***"

_DEPTH = 2
"""How many nested escapes are resolved, such as percent-encoded text in JSON."""

_LONG = 100_000
"""From this many characters on, one level of escapes is resolved only: each level takes time."""

_SHORTEST_IN_BASE64 = 5
"""Shorter secrets are not searched in base64: they would be found in any text."""

_USER_IN_URL = re.compile(r"\b((?:https?|socks[0-9a-z]*)://)[^\s/@\"'<>]+@")
_SECRET_MEMBER = re.compile(r'("(?=[^"]*?(?:secret|token|password))[^"]*+"\s*+:\s*+")(?:[^"\\]|\\.)++', re.IGNORECASE)
_TO_STANDARD_BASE64 = str.maketrans("-_", "+/")
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def redact(text: str, secrets: Iterable[str | None]) -> str:
    """
    Replace secrets by ``***``: plain, escaped for JSON, URLs or HTML, and in base64. Replace the user of a URL, too.

    :param text: any text.
    :param secrets: printable ASCII; None and empty ones are ignored.
    """
    known = {secret for secret in secrets if secret}
    spans = sorted(span for view in _views(text, known) for span in view.spans_of(known))
    pieces: list[str] = []
    end = 0
    for start, stop in spans:
        if start >= end:
            pieces += text[end:start], MASK
        end = max(end, stop)
    return _USER_IN_URL.sub(rf"\1{MASK}@", "".join((*pieces, text[end:])))


def redact_members(text: str) -> str:
    """
    Replace the values of JSON members whose names tell of a secret, which nobody may know yet.

    :param text: a body of an error.
    """
    return _SECRET_MEMBER.sub(rf"\1{MASK}", text)


def redact_error(error: BaseException, redact_text: Callable[[str], str]) -> None:
    """
    Redact secrets in an error of this package, in place. Remove its cause if that shows a secret.

    :param error: the error.
    :param redact_text: redacts secrets in a text.
    """
    error.args = tuple(redact_text(arg) if isinstance(arg, str) else arg for arg in error.args)
    for name, value in vars(error).items():
        if isinstance(value, str):
            setattr(error, name, redact_text(value))
    cause = error.__cause__ or error.__context__
    if cause is not None and any(redact_text(text) != text for text in map(str, _causes(cause))):
        error.__cause__ = error.__context__ = None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


@dataclass(frozen=True, slots=True)
class _View:
    """
    A text after resolving one kind of escapes, with a map of positions back to the text before.

    :param text: the text.
    :param runs: start positions of runs of characters in this text.
    :param origins: start positions of the same runs in the text before.
    :param parent: the view before; None for the original text.
    """

    text: str
    runs: tuple[int, ...] = ()
    origins: tuple[int, ...] = ()
    parent: _View | None = None

    def resolved(self, escapes: re.Pattern[str], decode: Callable[[str], str]) -> _View:
        pieces: list[str] = []
        runs, origins = [0], [0]
        length = done = 0
        for match in escapes.finditer(self.text):
            character = decode(match[0])
            pieces += self.text[done : match.start()], character
            length += match.start() - done
            runs += length, length + len(character)
            origins += match.span()
            length += len(character)
            done = match.end()
        return _View("".join((*pieces, self.text[done:])), tuple(runs), tuple(origins), self)

    def origin(self, position: int) -> int:
        """Return the position in the original text."""
        if self.parent is None:
            return position
        run = bisect_right(self.runs, position) - 1
        return self.parent.origin(self.origins[run] + position - self.runs[run])

    def spans_of(self, secrets: Iterable[str]) -> Iterator[tuple[int, int]]:
        """Yield the spans of secrets in the original text."""
        encoded = self.text.translate(_TO_STANDARD_BASE64)
        for secret in secrets:
            spans = [(start, start + len(secret)) for start in _positions(secret, self.text)]
            for needle in _base64_needles(secret):
                spans += [_widen(encoded, start, start + len(needle)) for start in _positions(needle, encoded)]
            for start, stop in spans:
                yield self.origin(start), self.origin(stop)


def _decode_json(escape: str) -> str:
    code = escape[2:]
    return chr(int(code, 16)) if code else _CONTROLS.get(escape[1], escape[1])


def _decode_percent(escape: str) -> str:
    return chr(int(escape[1:], 16)) if len(escape) > 1 else " "


_ESCAPES: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (re.compile(r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[\"'\\/bfnrt])"), _decode_json),
    (re.compile(r"%[0-9A-Fa-f]{2}"), _decode_percent),
    (re.compile("\0"), lambda _: ""),  # as in UTF-16
    (re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});"), unescape),
)
_FORM = (re.compile(r"%[0-9A-Fa-f]{2}|\+"), _decode_percent)
"""As in a form, where ``+`` is a space."""


def _views(text: str, secrets: Iterable[str]) -> Iterator[_View]:
    escapes = (*_ESCAPES, _FORM) if any(" " in secret for secret in secrets) else _ESCAPES
    views = [_View(text)]
    for _ in range(_DEPTH if len(text) < _LONG else 1):
        yield from views
        views = [view.resolved(*kind) for view in views for kind in escapes if kind[0].search(view.text)]
    yield from views


def _positions(needle: str, text: str) -> Iterator[int]:
    position = text.find(needle)
    while position >= 0:
        yield position
        position = text.find(needle, position + len(needle))


@lru_cache(maxsize=64)
def _base64_needles(secret: str) -> tuple[str, ...]:
    """Return what the base64 of any text with the secret contains: one needle for each position modulo 3."""
    if len(secret) < _SHORTEST_IN_BASE64:
        return ()
    needles = []
    for before in range(3):
        data = b"\0" * before + secret.encode()
        code = base64.b64encode(data).decode().rstrip("=")
        # The characters at both ends depend on the neighbours too.
        needles.append(code[(0, 2, 3)[before] : len(code) - (len(data) % 3 > 0)])
    return tuple(needles)


def _widen(encoded: str, start: int, stop: int) -> tuple[int, int]:
    """Widen a span by the base64 characters that the secret shares with its neighbours."""
    before = re.compile(r"[A-Za-z0-9+/]").match(encoded, start - 1) if start else None
    after = re.compile(r"[A-Za-z0-9+/]?={0,2}").match(encoded, stop)
    assert after is not None
    return start - bool(before), after.end()
