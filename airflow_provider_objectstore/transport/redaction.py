"""Secrets are taken out of what is shown, in whatever spelling a service or a library repeats them."""

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
"""How many escapes around one another are seen through, such as percent-encoded text in JSON."""

_LONG = 100_000
"""Characters of a text from which on only one escape is seen through: it is a page, and each look takes its time."""

_SHORTEST_IN_BASE64 = 5
"""Base64 of shorter secrets is found in anything."""

_USER_IN_URL = re.compile(r"\b((?:https?|socks[0-9a-z]*)://)[^\s/@\"'<>]+@")
_TO_STANDARD_BASE64 = str.maketrans("-_", "+/")
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def redact(text: str, secrets: Iterable[str | None]) -> str:
    """
    Put ``***`` in the place of secrets: as they are, escaped for JSON, for URLs or for HTML, in base64, and what
    stands before the ``@`` of a URL.

    :param secrets: printable ASCII; None and empty ones are left out.
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


def redact_error(error: BaseException, scrub: Callable[[str], str]) -> None:
    """
    Take secrets out of an error of this package, in place, and of what caused it.

    A cause of another's making that shows a secret is left out: it cannot be changed.

    :param scrub: takes secrets out of a text.
    """
    error.args = tuple(scrub(arg) if isinstance(arg, str) else arg for arg in error.args)
    for name, value in vars(error).items():
        if isinstance(value, str):
            setattr(error, name, scrub(value))
    cause = error.__cause__ or error.__context__
    if cause is not None and any(scrub(shown) != shown for shown in map(str, _chain(cause))):
        error.__cause__ = error.__context__ = None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


@dataclass(frozen=True, slots=True)
class _View:
    """
    A text whose escapes have been resolved once.

    :param runs: where runs of characters begin in it.
    :param origins: where each of them begins in the text that it was made of.
    :param parent: the view of that text; None for the text itself.
    """

    text: str
    runs: tuple[int, ...] = ()
    origins: tuple[int, ...] = ()
    parent: _View | None = None

    def resolved(self, escapes: re.Pattern[str], read: Callable[[str], str]) -> _View:
        pieces: list[str] = []
        runs, origins = [0], [0]
        length = done = 0
        for match in escapes.finditer(self.text):
            character = read(match[0])
            pieces += self.text[done : match.start()], character
            length += match.start() - done
            runs += length, length + len(character)
            origins += match.span()
            length += len(character)
            done = match.end()
        return _View("".join((*pieces, self.text[done:])), tuple(runs), tuple(origins), self)

    def origin(self, position: int) -> int:
        """Return where in the first text a position of this one is."""
        if self.parent is None:
            return position
        run = bisect_right(self.runs, position) - 1
        return self.parent.origin(self.origins[run] + position - self.runs[run])

    def spans_of(self, secrets: Iterable[str]) -> Iterator[tuple[int, int]]:
        """Yield where secrets are in the first text."""
        encoded = self.text.translate(_TO_STANDARD_BASE64)
        for secret in secrets:
            found = [(at, at + len(secret)) for at in _places(secret, self.text)]
            for needle in _in_base64(secret):
                found += [_whole(encoded, at, at + len(needle)) for at in _places(needle, encoded)]
            for start, stop in found:
                yield self.origin(start), self.origin(stop)


def _read_json(escape: str) -> str:
    code = escape[2:]
    return chr(int(code, 16)) if code else _CONTROLS.get(escape[1], escape[1])


def _read_percent(escape: str) -> str:
    return chr(int(escape[1:], 16)) if len(escape) > 1 else " "


_ESCAPES: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (re.compile(r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[\"'\\/bfnrt])"), _read_json),
    (re.compile(r"%[0-9A-Fa-f]{2}"), _read_percent),
    (re.compile("\0"), lambda _: ""),  # as in text of two bytes a character
    (re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});"), unescape),
)
_FORM = (re.compile(r"%[0-9A-Fa-f]{2}|\+"), _read_percent)
"""As in a form, where ``+`` is a space."""


def _views(text: str, secrets: Iterable[str]) -> Iterator[_View]:
    escapes = (*_ESCAPES, _FORM) if any(" " in secret for secret in secrets) else _ESCAPES
    views = [_View(text)]
    for _ in range(_DEPTH if len(text) < _LONG else 1):
        yield from views
        views = [view.resolved(*kind) for view in views for kind in escapes if kind[0].search(view.text)]
    yield from views


def _places(needle: str, text: str) -> Iterator[int]:
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + len(needle))


@lru_cache(maxsize=64)
def _in_base64(secret: str) -> tuple[str, ...]:
    """Return what base64 of any text that holds a secret has in it, by how many bytes stand before the secret."""
    if len(secret) < _SHORTEST_IN_BASE64:
        return ()
    needles = []
    for before in range(3):
        data = b"\0" * before + secret.encode()
        code = base64.b64encode(data).decode().rstrip("=")
        # The characters at both ends depend on the neighbours too.
        needles.append(code[(0, 2, 3)[before] : len(code) - (len(data) % 3 > 0)])
    return tuple(needles)


def _whole(encoded: str, start: int, stop: int) -> tuple[int, int]:
    """Add the characters of base64 that a secret shares with its neighbours."""
    before = re.compile(r"[A-Za-z0-9+/]").match(encoded, start - 1) if start else None
    after = re.compile(r"[A-Za-z0-9+/]?={0,2}").match(encoded, stop)
    assert after is not None
    return start - bool(before), after.end()
