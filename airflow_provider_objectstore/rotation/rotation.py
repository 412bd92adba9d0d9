"""
Run a rotation: prove that the old credential works, give the stores new keys, prove that these work, publish, retire.

Each step reads the services first; see the package's docstring.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.exceptions import ObjectStoreError, OwnerChangeUnsupportedError
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.publishers import Publisher
from airflow_provider_objectstore.rotation.context import RotationContext, same_keys
from airflow_provider_objectstore.rotation.names import RotationId, name_for, rotation_id_of
from airflow_provider_objectstore.rotation.publish import publish_owner, require_published
from airflow_provider_objectstore.rotation.retire import retire_credential
from airflow_provider_objectstore.rotation.state import LineageState, RotationTarget, store_names
from airflow_provider_objectstore.rotation.strategies import CHOICES, STRATEGIES, Strategy

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
        """The other members, which own no store any more."""
        return [
            member
            for member in self.state.members
            if member.id != self.credential.id and not self.state.stores_of(member)
        ]


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
    ) -> None:
        self._context = RotationContext(hook, target, rotation_id, publishers, settle_timeout)
        self._strategies: dict[str, Strategy] = {kind.name: kind(self._context) for kind in STRATEGIES}
        self._strategy = strategy
        self._retire = retire

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
        return self._context.refresh()

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
                    "expected_outage": strategy.expected_outage,
                }
                for strategy in self._candidates(state)
            ],
            "stores": [store.name for store in state.stores],
            "owners": [_describe(owner) for owner in state.owners],
            "new_name": name_for(state.base, self._context.rotation_id),
            "publishers": [str(publisher) for publisher in self._context.publishers],
            "retire": self._retire,
            "leftovers": [_describe(member) for member in state.members if not state.stores_of(member)],
        }

    def switch(self, state: LineageState) -> SwitchResult:
        """
        Give the stores their new keys and publish them.

        :param state: what :meth:`refresh` returned.
        :raises SupersededError: if a newer rotation came in between.
        :raises OwnerChangeUnsupportedError: if the service does not change owners, and ``in_place`` is not allowed.
        """
        try:
            strategy, new, state = self._change_and_publish(state)
        except ObjectStoreError:
            self.refresh()  # raises SupersededError if a newer rotation is the reason
            raise
        strategy.after_publishing()
        return SwitchResult(strategy.name, new, state)

    def finish(self, switched: SwitchResult | None = None) -> dict[str, Any]:
        """
        Retire what the new credential has replaced.

        :param switched: what :meth:`switch` returned in this process just before. Without it, as in another process
            after the grace period, everything is read, proven and published again.
        :return: what was done, without secrets.
        """
        done = switched or self.switch(self.refresh())
        for credential in done.replaced:
            retire_credential(self._context, credential, done.state, self._retire)
        return {
            "strategy": done.strategy,
            "credential": _describe(done.credential),
            "stores": [store.name for store in done.state.stores],
            "published_to": [str(publisher) for publisher in self._context.publishers],
            "retired": [_describe(credential) for credential in done.replaced],
        }

    def _change_and_publish(self, state: LineageState) -> tuple[Strategy, Credential, LineageState]:
        for _ in range(MAX_SWITCH_ATTEMPTS):
            strategy, new = self._change(state)
            state = publish_owner(self._context, new, state)
            # Otherwise a store was added, or another worker on the same run undid the change, meanwhile.
            if len(state.owners) == 1 and same_keys(state.owners[0], new):
                return strategy, new, state
        raise ObjectStoreError(
            f"{store_names(state.stores)} have other owners than credential {new.name} again and again: something else "
            "changes them. Run this task again after it"
        )

    def _change(self, state: LineageState) -> tuple[Strategy, Credential]:
        if not state.stores:
            raise ObjectStoreError(f"{self._context.target} owns no object store: there is nothing to rotate")
        candidates = self._candidates(state)
        for strategy, fallback in pairwise(candidates):
            try:
                return strategy, self._apply(strategy, state)
            except OwnerChangeUnsupportedError as error:
                log.warning("%s. Taking strategy %s instead of %s", error, fallback.name, strategy.name)
                state = self.refresh()
        return candidates[-1], self._apply(candidates[-1], state)

    def _candidates(self, state: LineageState) -> list[Strategy]:
        """Return the strategies to try, in order."""
        begun = [strategy for strategy in self._strategies.values() if strategy.must_continue(state)]
        return begun or [self._strategies[name] for name in CHOICES[self._strategy]]

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
