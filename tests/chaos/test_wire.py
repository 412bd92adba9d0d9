"""
Both services' clients against a server that misbehaves below HTTP.

The usual run has each misbehaviour with each client of Object Store v2, and a share of those with Civo and at the token
endpoint. ``CHAOS=all`` runs all, and prints figures.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import product

import pytest

from airflow_provider_objectstore.exceptions import OutcomeUnknownError, TransportError
from tests.chaos.misbehaviours import MISBEHAVIOURS
from tests.chaos.wire import Misbehaviour, Mode, WireServer, recording
from tests.chaos.wire_cases import OPERATIONS, Case, Outcome, SecretsInLogs, Sender, connected, longest_of, run_case

pytestmark = pytest.mark.slow

ALL = os.environ.get("CHAOS") == "all"
DRIVERS = "sync", "async"
MODES: tuple[Mode, ...] = ("always", "once")
THREADS = 32
"""They mostly wait."""
Results = dict[str, list[Outcome]]


def cases(names: list[str]) -> list[Case]:
    """Return the cases of these misbehaviours: all, or the usual run's share."""
    found = []
    for name in names:
        number = list(MISBEHAVIOURS).index(name)
        for turn, (driver, mode, service) in enumerate(product(DRIVERS, MODES, ("anypoint", "civo", "token"))):
            main = service == "anypoint" and (mode == "always" or (number + turn // 6) % 2 == 0)
            other = service != "anypoint" and (number + turn) % 12 == 0 and not MISBEHAVIOURS[name].waits
            if ALL or main or other:
                found.append(Case(name, service, driver, mode))
    return found


@pytest.fixture(scope="module")
def logs() -> Iterator[SecretsInLogs]:
    handler, logger = SecretsInLogs(), logging.getLogger("airflow_provider_objectstore")
    root = logging.getLogger()
    level, propagate = logger.level, logger.propagate
    logger.setLevel("DEBUG")
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    logger.setLevel(level)
    logger.propagate = propagate


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[int, list[bytes]]]:
    """Another host: its port, and what it has received."""
    with recording() as (port, received):
        yield port, received


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, logs: SecretsInLogs, elsewhere: tuple[int, list[bytes]]) -> Results:
    """What became of the cases of all selected misbehaviours, which run at the same time."""
    chosen = [
        name
        for test in request.session.items
        if test.path == request.path and (name := getattr(test, "callspec", None) and test.callspec.params.get("name"))
    ]
    todo = cases(list(dict.fromkeys(chosen)))
    found: Results = {}
    with ThreadPoolExecutor(THREADS) as threads:
        for outcomes in threads.map(lambda numbered: run_case(numbered[1], numbered[0], elsewhere[0]), enumerate(todo)):
            found.setdefault(outcomes[0].case.misbehaviour, []).extend(outcomes)
    return found


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_a_misbehaviour(name: str, results: Results) -> None:
    """Each call ends in time, in the right result or an error that names the object, and the next call works."""
    assert not [
        f"{outcome.case}, {outcome.operation} ({outcome.kind}, {outcome.text[:100]}): {problem}"
        for outcome in results[name]
        for problem in outcome.problems
    ]


@pytest.mark.parametrize("name", [name for name in MISBEHAVIOURS if "to " in name])
def test_nothing_goes_to_another_host(name: str, results: Results, elsewhere: tuple[int, list[bytes]]) -> None:
    assert elsewhere[1] == []


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("tls", ["client", "server"])
def test_plain_meets_tls(tls: str, driver: str, certificate: str) -> None:
    """Neither side understands the other: the client reports it, and nothing was done."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = WireServer(Misbehaviour(lambda exchange: None), context=context if tls == "server" else None)
    address = server.url.replace("https:", "http:") if tls == "server" else server.url.replace("http:", "https:")
    with ExitStack() as stack:
        stack.callback(server.stop)
        hook = stack.enter_context(connected("civo", server, 9100, host=address))
        send = Sender(hook, driver, stack)
        for name, operation in OPERATIONS["civo"].items():
            with pytest.raises((TransportError, OutcomeUnknownError), match="wire"):
                send(operation.call(f"wire-{name.replace('_', '-')}"))
        assert not server.applied


def test_what_is_logged(results: Results, logs: SecretsInLogs) -> None:
    assert logs.seen
    assert not logs.found
    assert not logs.unretrieved


def test_figures(results: Results) -> None:
    """Print what ``make chaos`` shows."""
    outcomes = [outcome for each in results.values() for outcome in each]
    assert outcomes
    clients = {(outcome.case.service, outcome.case.driver) for outcome in outcomes}
    over = max(outcomes, key=lambda outcome: outcome.seconds - longest_of(outcome))
    print(f"{len(results)} misbehaviours x {len(clients)} clients, {len(outcomes)} calls")
    for kind, count in Counter(outcome.kind for outcome in outcomes).most_common():
        print(f"  {kind}: {count}")
    print(
        f"the longest call: {max(outcome.seconds for outcome in outcomes):.1f} s; next to its deadline: "
        f"{over.seconds - longest_of(over):+.1f} s ({over.case}, {over.operation})"
    )
