"""
Run a rotation: prove that the old credential works, give the stores new keys, prove that these work, publish, retire.

Each step reads the services first; see the package's docstring.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.exceptions import ObjectStoreError, OwnerChangeUnsupportedError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.publishers import Publisher
from airflow_provider_objectstore.rotation.context import ResumePoint, RotationContext
from airflow_provider_objectstore.rotation.names import RotationId, name_for, rotation_id_of
from airflow_provider_objectstore.rotation.publish import is_published, publish_credential, require_published
from airflow_provider_objectstore.rotation.retire import reactivate_owners, retire_credential
from airflow_provider_objectstore.rotation.state import LineageState, RotationTarget, store_names
from airflow_provider_objectstore.rotation.strategies import CHOICES, STRATEGIES, Strategy, StrategyUnsupportedError

MAX_SWITCH_ATTEMPTS = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SwitchResult:
    """
    What a switch has established.

    :param strategy: the name of the strategy that gave the stores their keys.
    :param credential: owns all stores and is published.
    :param state: what was read after publishing.
    """

    strategy: str
    credential: Credential
    state: LineageState

    @property
    def replaced(self) -> list[Credential]:
        """The other members, which consumers need no longer."""
        return [member for member in self.state.members if member.id != self.credential.id]


class Rotation:
    """
    One rotation. Every method may be called again, in this process or another.

    :param hook: the hook of the target's connection.
    :param target: what to rotate.
    :param rotation_id: identifies the run.
    :param strategy: ``auto``, ``replace`` or ``in_place``, see :data:`.strategies.CHOICES`.
    :param publishers: where the new credential goes, in this order.
    :param retire: what to do with the replaced credential: ``delete``, ``suspend`` or ``keep``.
    :param settle_timeout: for how many seconds S3 may lag behind the control plane.
    :param max_outage: for how many seconds consumers may be refused; None for no limit.
    :param resumed: what an earlier part of this task has done; None at its beginning.
    """

    def __init__(
        self,
        hook: CivoObjectStoreHook,
        target: RotationTarget,
        rotation_id: RotationId,
        strategy: str = "auto",
        publishers: Sequence[Publisher] = (),
        retire: str = "delete",
        settle_timeout: float = 60,
        max_outage: float | None = None,
        resumed: ResumePoint | None = None,
    ) -> None:
        self._context = RotationContext(hook, target, rotation_id, publishers, settle_timeout, resumed=resumed)
        self._strategies: dict[str, Strategy] = {kind.name: kind(self._context) for kind in STRATEGIES}
        self._strategy = strategy
        self._retire = retire
        self._max_outage = max_outage
        self._seconds_per_request = 0.0

    @property
    def target(self) -> str:
        """What is rotated."""
        return str(self._context.target)

    @property
    def outage_seconds(self) -> float | None:
        """Seconds from the first change to the last publisher; None if an earlier try made the change."""
        return self._context.outage.seconds

    def refresh(self) -> LineageState:
        """
        Read the state.

        :raises SupersededError: if there has been a newer rotation.
        :raises ConflictError: if another rotation that is due in the same second rotates the same credential.
        """
        begin = time.monotonic()
        state = self._context.refresh()
        self._seconds_per_request = (time.monotonic() - begin) / 2  # it lists credentials and stores
        return state

    def require_published(self) -> None:
        """Verify that publishers have what a newer rotation has made, see :func:`.publish.require_published`."""
        require_published(self._context)

    def plan(self, state: LineageState) -> dict[str, Any]:
        """Return what this rotation is going to do, without secrets."""
        return {
            "target": str(self._context.target),
            "strategy": self._strategy,
            "strategies": [
                {
                    "name": strategy.name,
                    "description": strategy.description,
                    "expected_outage": round(self._expected_outage(strategy, state), 2),
                }
                for strategy in self._candidates(state)
            ],
            "stores": [store.name for store in state.stores],
            "owners": [_describe(owner) for owner in state.owners],
            "new_name": name_for(state.base, self._context.rotation_id),
            "publishers": [str(publisher) for publisher in self._context.publishers],
            "retire": self._retire,
            "leftovers": [_describe(member) for member in state.members if not state.stores_of(member)],
            "look_alikes": [_describe(credential) for credential in state.look_alikes],
        }

    def switch(self, state: LineageState, *, again: bool = False) -> SwitchResult:
        """
        Give the stores their new keys and publish them.

        :param state: what :meth:`refresh` returned.
        :param again: whether it goes on with what another process has switched: publishers that have the new keys are
            not called again.
        :raises SupersededError: if a newer rotation came in between.
        :raises OwnerChangeUnsupportedError: if the service does not change owners, and ``in_place`` is not allowed.
        """
        try:
            strategy, new, state = self._change_and_publish(state, again=again)
        except ObjectStoreError:
            self.refresh()  # raises SupersededError if a newer rotation is the reason
            raise
        strategy.after_publishing()
        return SwitchResult(strategy.name, new, state)

    def resume_point(self, switched: SwitchResult) -> ResumePoint:
        """
        Return what the part of the task has to know that finishes after the grace period.

        :param switched: what :meth:`switch` returned.
        """
        return ResumePoint(
            rotation_id=self._context.rotation_id,
            lineage=switched.state.base,
            credential_id=switched.credential.id,
            strategy=switched.strategy,
            outage_seconds=self.outage_seconds,
        )

    def finish(self, switched: SwitchResult | None = None) -> dict[str, Any]:
        """
        Retire what the new credential has replaced.

        :param switched: what :meth:`switch` returned in this process just before. Without it, as in another process
            after the grace period, everything is read, proven and published again.
        :return: what was done, without secrets.
        """
        done = switched or self.switch(self.refresh(), again=True)
        strategy = self._strategies[done.strategy]
        state = strategy.complete(done.state, done.credential)
        if not strategy.is_applied(state, done.credential):
            raise ObjectStoreError(
                f"a store was added to {store_names(state.stores)}, or got another owner or other keys meanwhile: "
                f"credential {done.credential.name} as it was published has no access to all of them. Nothing was "
                "retired: run this task again"
            )
        retired = [member for member in done.replaced if not state.stores_of(member)]
        for credential in retired:
            retire_credential(self._context, credential, state, self._retire)
        for credential in state.look_alikes:
            log.warning(
                "Credential %s (%s) is named like one that a rotation made, and none has made it: it is left as it is. "
                "Delete it if nobody uses it",
                credential.name,
                credential.id,
            )
        return {
            "strategy": done.strategy,
            "credential": _describe(done.credential),
            "stores": [store.name for store in state.stores],
            "owners": [owner.name for owner in state.owners],
            "published_to": [str(publisher) for publisher in self._context.publishers],
            "retired": [_describe(credential) for credential in retired],
            "look_alikes": [_describe(credential) for credential in state.look_alikes],
        }

    def _change_and_publish(self, state: LineageState, *, again: bool) -> tuple[Strategy, Credential, LineageState]:
        for _ in range(MAX_SWITCH_ATTEMPTS):
            strategy, new = self._change(state, again=again)
            state = publish_credential(self._context, new, state, strategy.to_publish, again=again)
            if not state.stores:
                raise ObjectStoreError(
                    f"{self._context.target}: all its stores have got another owner since credential {new.name} was "
                    "made. Nothing was retired: give them back and run this task again"
                )
            if strategy.is_applied(state, new):
                return strategy, new, state
        raise ObjectStoreError(
            f"something else takes {store_names(state.stores)} from credential {new.name} again and again. Run this "
            "task again after it"
        )

    def _change(self, state: LineageState, *, again: bool) -> tuple[Strategy, Credential]:
        if not state.stores:
            raise ObjectStoreError(f"{self._context.target} owns no object store: there is nothing to rotate")
        candidates = self._candidates(state)
        if not again:
            candidates = self._within_max_outage(candidates, state)
        state = reactivate_owners(self._context, state)
        for strategy, following in pairwise(candidates):
            try:
                return strategy, self._apply(strategy, state)
            except (OwnerChangeUnsupportedError, StrategyUnsupportedError) as error:
                state = self.refresh()
                new = state.created_by(self._context.rotation_id)
                if new and is_published(self._context, new, state.stores, if_unknown=True):
                    raise  # consumers use what another strategy would take away
                log.warning("%s. Strategy %s cannot be used here: trying %s", error, strategy.name, following.name)
        return candidates[-1], self._apply(candidates[-1], state)

    def _candidates(self, state: LineageState) -> list[Strategy]:
        """Return the strategies to try, in order."""
        begun = [strategy for strategy in self._strategies.values() if strategy.must_continue(state)]
        return begun or [self._strategies[name] for name in CHOICES[self._strategy]]

    def _within_max_outage(self, candidates: list[Strategy], state: LineageState) -> list[Strategy]:
        if self._max_outage is None:
            return candidates
        allowed = [
            strategy
            for strategy in candidates
            if self._expected_outage(strategy, state) <= self._max_outage or strategy.must_continue(state)
        ]
        if not allowed:
            raise ObjectStoreError(
                f"{self._context.target}: each strategy that is left ({', '.join(one.name for one in candidates)}) "
                f"refuses consumers for longer than max_outage={self._max_outage:g} s. Nothing was changed"
            )
        return allowed

    def _expected_outage(self, strategy: Strategy, state: LineageState) -> float:
        """Estimate an outage in seconds, from what reading the state took and the number of requests in it."""
        requests = strategy.outage_requests_per_store * len(state.stores)
        return requests * self._seconds_per_request

    @staticmethod
    def _apply(strategy: Strategy, state: LineageState) -> Credential:
        samples = strategy.prepare(state)
        try:
            return strategy.apply(state, samples)
        except BaseException as error:
            strategy.undo(state, error)
            raise


def _describe(credential: Credential) -> dict[str, Any]:
    rotated = rotation_id_of(credential)
    return {
        "id": credential.id,
        "name": credential.name,
        "access_key_id": credential.access_key_id,
        "rotated": str(rotated.time) if rotated else None,
    }
