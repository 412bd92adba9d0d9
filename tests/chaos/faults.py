"""
The faults between a client and the emulator: errors, cut connections, stalls, broken and foreign responses, odd pages.

Each request's fault follows from the seed, the case, the request, and how often the case has sent it. So a seed repeats
the same faults, also where requests run at the same time.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import parse_qsl

EFFECT, NO_EFFECT = True, False


@dataclass(frozen=True)
class Kind:
    """
    A kind of fault.

    :param share: percent of all requests.
    :param effect: whether the service executes the request all the same.
    """

    name: str
    share: float
    effect: bool = NO_EFFECT


KINDS = (
    Kind("500 before the effect", 2.5),
    Kind("500 after the effect", 2.5, EFFECT),
    Kind("503 before the effect", 2.5),
    Kind("503 after the effect", 2.5, EFFECT),
    Kind("429 with Retry-After", 5),
    Kind("429 without Retry-After", 5),
    Kind("cut before the effect", 5),
    Kind("cut after the effect", 5, EFFECT),
    Kind("token revoked", 3, EFFECT),
    Kind("stall before the effect", 0.5),
    Kind("stall after the effect", 0.5, EFFECT),
    Kind("body that drips", 0.5, EFFECT),
    Kind("body truncated", 3, EFFECT),
    Kind("HTML with 200", 3),
    Kind("text with 200", 2),
    Kind("404 of a gateway", 3),
    Kind("wrong JSON types", 3, EFFECT),
    Kind("page repeated", 4),
    Kind("listing ends early", 4),
)
BY_NAME = {kind.name: kind for kind in KINDS}
PAGES = ("page repeated", "listing ends early")
UNLIKE_S3 = ("token revoked", "wrong JSON types", *PAGES)
"""Kinds that S3's protocol does not have."""
RETRY_AFTER = "1"
PAGE = "<html><body>Please log in to the network</body></html>"
_RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=data-)[0-9a-f]{16}")


@dataclass(frozen=True)
class Seen:
    """A request, as far as its fault depends on it."""

    method: str
    path: str
    query: str

    @property
    def name(self) -> str:
        """What stays the same from run to run: ids and the names of an export's files do not."""
        return _RANDOM.sub("id", f"{self.method} {self.path}?{self.query}")

    @property
    def is_s3(self) -> bool:
        return not self.path.startswith(("/api/", "/v2/", "/accounts/"))

    @property
    def listing(self) -> str:
        """The listing that this is a page of."""
        kept = [pair for pair in parse_qsl(self.query) if pair[0] not in ("nextPageToken", "page")]
        return f"{self.method} {self.path} {kept}"

    @property
    def page(self) -> str | None:
        """The page's token; None for the first page."""
        token = dict(parse_qsl(self.query)).get("nextPageToken") or dict(parse_qsl(self.query)).get("page")
        return None if token == "1" else token


class FaultMix:
    """Draws the faults."""

    def __init__(self) -> None:
        self.injected: Counter[str] = Counter()
        """How often each kind was injected, over all cases."""
        self.only: Callable[[Seen], str | None] | None = None
        """Chooses the faults instead of the mix."""
        self.intensity = 1.0
        """Factor of all shares."""
        self._seed: str | None = None
        self.begin(None)

    def begin(self, seed: str | None) -> None:
        """Begin a case; None: no faults from now on."""
        self._seed = seed
        self._times: Counter[str] = Counter()
        self._ended: set[str] = set()
        self.log: list[str] = []
        """The requests of the case, with their faults."""

    @property
    def requests(self) -> int:
        """How many different requests the case has sent."""
        return len(self._times)

    def draw(self, seen: Seen) -> tuple[Kind | None, Random]:
        """Return the fault of a request, None for none, and the chance for its details."""
        if self._seed is None:
            return None, Random(0)
        times, self._times[seen.name] = self._times[seen.name], self._times[seen.name] + 1
        chance = Random(f"{self._seed}/{seen.name}/{times}")
        name = self.only(seen) if self.only else self._choose(seen, chance)
        if name == "listing ends early":
            self._ended.add(seen.name)
        self.log.append(f"{seen.name}: {name or 'no fault'}")
        if name is None:
            return None, chance
        self.injected[name] += 1
        return BY_NAME[name], chance

    def _choose(self, seen: Seen, chance: Random) -> str | None:
        point = chance.random() * 100 / self.intensity
        for kind in KINDS:
            point -= kind.share
            if point < 0:
                return kind.name if self._is_possible(kind, seen) else None
        return None

    def _is_possible(self, kind: Kind, seen: Seen) -> bool:
        if seen.is_s3:
            return kind.name not in UNLIKE_S3
        if kind.name in PAGES:
            # An end that the service confirms is the end: nobody could tell.
            return seen.page is not None and seen.name not in self._ended
        return True


def with_wrong_type(body: bytes, chance: Random) -> bytes:
    """Return a JSON body, one value of which has another type; another body as it is."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return body
    places: list[tuple[Any, Any]] = []

    def visit(value: Any) -> None:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            places.append((value, key))
            if isinstance(inner, dict | list):
                visit(inner)

    if not isinstance(parsed, dict | list) or chance.random() < 0.1:
        return json.dumps([parsed] if isinstance(parsed, dict) else {"values": 7}).encode()
    visit(parsed)
    if places:
        holder, key = chance.choice(places)
        holder[key] = _other_type(key, holder[key], chance)
    return json.dumps(parsed).encode()


def _other_type(key: Any, value: Any, chance: Random) -> Any:
    others: list[Any] = [[], {}, True, 7.5, [value]]
    if key != "nextPageToken":  # without one, a listing ends: nobody could tell
        others.append(None)
    if not isinstance(value, dict):  # a name instead of an object that holds one is another way to list names
        others.append("odd")
    return chance.choice([other for other in others if type(other) is not type(value)])


def early_end(seen: Seen) -> bytes:
    """Return a page without items that says that it is the last one."""
    if seen.path.startswith("/v2/"):
        number = int(seen.page or 1)
        return json.dumps({"page": number, "per_page": 20, "pages": number, "items": []}).encode()
    return b'{"values": [], "nextPageToken": null}'
