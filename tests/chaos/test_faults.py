"""The faults themselves: each kind does what it says, and a seed repeats them."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

import pytest
import requests

from airflow_provider_objectstore.emulator.settings import ENVIRONMENT, ORGANIZATION
from tests.chaos.faults import BY_NAME, KINDS, PAGES, FaultMix, Seen, with_wrong_type
from tests.chaos.run import Figures, Run
from tests.chaos.services import ChaosEmulator
from tests.chaos.world import KEYS, Anypoint

STORES = f"/api/v1/organizations/{ORGANIZATION}/environments/{ENVIRONMENT}/stores"
SLOW = ("stall before the effect", "stall after the effect")
KEY = Seen("GET", f"{STORES}/orders/partitions/eu/keys/key-0", "")
NEXT_PAGE = Seen("GET", f"{STORES}/orders/partitions/eu/keys", "nextPageToken=x")


def test_shares() -> None:
    """The shares are met, and together they leave requests without a fault."""
    mix = FaultMix()
    mix.begin("1/shares")
    drawn: Counter[str | None] = Counter()
    for _ in range(4000):
        kind, _ = mix.draw(KEY)
        drawn[kind and kind.name] += 1
    for kind in KINDS:
        expected = 0 if kind.name in PAGES else kind.share * 40
        assert expected * 0.5 - 5 <= drawn[kind.name] <= expected * 1.6 + 5, kind
    assert drawn[None] > 1500


def test_a_seed_repeats_them() -> None:
    def draw(seed: str, order: list[Seen]) -> dict[str, list[str | None]]:
        mix = FaultMix()
        mix.begin(seed)
        drawn: dict[str, list[str | None]] = {}
        for seen in order:
            kind, _ = mix.draw(seen)
            drawn.setdefault(seen.name, []).append(kind and kind.name)
        return drawn

    order = [KEY, NEXT_PAGE] * 50
    assert draw("1/a", order) == draw("1/a", sorted(order, key=str)) != draw("2/a", order)


def test_an_end_that_the_service_confirms_is_not_injected() -> None:
    """A listing that ends early twice at the same page is a listing that ends there."""
    mix = FaultMix()
    ends = 0
    for seed in range(200):
        mix.begin(str(seed))
        drawn = [kind and kind.name for kind, _ in (mix.draw(NEXT_PAGE) for _ in range(10))]
        ends += drawn.count("listing ends early")
        assert drawn.count("listing ends early") <= 1
    assert ends > 30


def test_wrong_types() -> None:
    body = json.dumps({"values": ["a", {"b": 1}], "nextPageToken": None}).encode()
    changed = {with_wrong_type(body, Random(seed)) for seed in range(50)}
    assert len(changed) > 10
    assert body not in changed
    assert with_wrong_type(b"", Random(1)) == b""


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS if kind.name not in PAGES])
def test_has_an_effect_or_none(kind: str, chaos: ChaosEmulator) -> None:
    chaos.reset()
    anypoint = Anypoint(Run(chaos, Figures(), "faults", 1, "sync"))
    anypoint.hook.get_store("orders")
    token = next(iter(chaos.app.accounts._tokens))
    chaos.mix.begin("kind")
    chaos.mix.only = lambda seen: kind
    status, body = 0, b""
    try:
        response = requests.put(
            f"{chaos.url}{STORES}/orders/partitions/eu/keys/key-0",
            json={"stringValue": "new", "valueType": "STRING"},
            headers={"Authorization": f"Bearer {token}"},
            timeout=0.5,
        )
        status, body = response.status_code, response.content
    except (requests.ConnectionError, requests.Timeout):
        pass
    finally:
        chaos.mix.only = None
        chaos.mix.begin(None)
    chaos.wait_until_quiet()
    happened = BY_NAME[kind].effect and kind != "token revoked"
    assert anypoint.value("eu", "key-0") == ("new" if happened else KEYS["key-0"])
    statuses = {"5": int(kind[:3]) if kind[:3].isdigit() else 0, "H": 200, "t": 200, "4": 0, "w": 200}
    expected = {"token revoked": 401, "404 of a gateway": 404}.get(
        kind, 429 if kind[:3] == "429" else statuses.get(kind[0], 0)
    )
    assert status == expected
    if kind[:3] in ("429", "500") and not BY_NAME[kind].effect:
        assert token in body.decode(), "it repeats what was sent"


@pytest.mark.parametrize("kind", PAGES)
def test_pages(kind: str, chaos: ChaosEmulator) -> None:
    chaos.reset()
    anypoint = Anypoint(Run(chaos, Figures(), "faults", 1, "sync"))
    anypoint.hook.get_store("orders")
    headers = {"Authorization": f"Bearer {next(iter(chaos.app.accounts._tokens))}"}
    address = f"{chaos.url}{STORES}/orders/partitions/eu/keys"
    chaos.mix.begin("pages")
    chaos.mix.only = lambda seen: kind if seen.page else None
    try:
        first = requests.get(address, params={"pageSize": 3}, headers=headers, timeout=5).json()
        params = {"pageSize": 3, "nextPageToken": first["nextPageToken"]}
        second = requests.get(address, params=params, headers=headers, timeout=5).json()
    finally:
        chaos.mix.only = None
        chaos.mix.begin(None)
    assert second == (first if kind == "page repeated" else {"values": [], "nextPageToken": None})
