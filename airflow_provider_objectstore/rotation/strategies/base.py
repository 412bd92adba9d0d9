"""What a rotation needs of a strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol, TypeAlias

from airflow_provider_objectstore.api.civo.models import Credential
from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.rotation.context import RotationContext, same_keys
from airflow_provider_objectstore.rotation.state import LineageState

Samples: TypeAlias = Mapping[str, str | None]
"""By store id: the key of an object that the old credential sees; None if the bucket is empty."""


class StrategyUnsupportedError(ObjectStoreError):
    """The service does not support a strategy; another one may work."""


def is_only_owner(credential: Credential, state: LineageState) -> bool:
    """Return whether a credential owns all stores, with the same keys."""
    return len(state.owners) == 1 and same_keys(state.owners[0], credential)


class Strategy(Protocol):
    """
    A way to give object stores new keys.

    A rotation calls :meth:`prepare`, :meth:`apply`, the publishers and :meth:`after_publishing`, in this order. Every
    method may be called again, in this process or another, and continues from the state that it is given.

    :param context: what it works with.
    """

    name: ClassVar[str]
    """As users choose it and the result shows it."""
    description: ClassVar[str]
    """What it does, for the plan."""
    outage_requests_per_store: ClassVar[int]
    """How many requests a store's consumers wait for while they are refused; 0 if they are never refused."""

    def __init__(self, context: RotationContext) -> None: ...

    def must_continue(self, state: LineageState) -> bool:
        """Return whether this rotation has made a change by this strategy that no other strategy can finish."""

    def to_publish(self, state: LineageState) -> Credential:
        """Return the credential that consumers should have in a state."""

    def is_applied(self, state: LineageState, new: Credential) -> bool:
        """
        Return whether what :meth:`apply` established still holds.

        Otherwise a store was added meanwhile, or another worker on the same run undid it.
        """

    def prepare(self, state: LineageState) -> Samples:
        """
        Prove over S3 that the old credential works. Nothing is changed.

        :return: what the new credential must be able to read.
        :raises ObjectStoreError: if the old credential is refused, or the strategy does not fit the state.
        """

    def apply(self, state: LineageState, samples: Samples) -> Credential:
        """
        Give the stores new keys, and prove over S3 that these work.

        :param samples: what :meth:`prepare` returned for this state.
        :return: the credential to publish.
        :raises StrategyUnsupportedError: if the service cannot do it, so that another strategy may be tried.
        :raises OwnerChangeUnsupportedError: likewise.
        """

    def undo(self, before: LineageState, error: BaseException) -> None:
        """
        Undo what :meth:`apply` changed before it failed. Problems are logged, never raised.

        :param before: the state that was given to :meth:`apply`.
        :param error: why it failed, for the log.
        """

    def after_publishing(self) -> None:
        """Do what must wait until consumers have the new keys."""

    def complete(self, state: LineageState, new: Credential) -> LineageState:
        """
        Do what must wait until the grace period is over.

        :param state: the state after publishing.
        :param new: the published credential.
        :return: the state afterwards.
        """
