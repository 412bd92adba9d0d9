"""Rotating the credentials of Civo object stores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.bases import CivoOperator, check_publishers, publishers
from airflow_provider_objectstore.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.publishers import Publisher
    from airflow_provider_objectstore.rotation.steps import Rotation


class CivoRotateCredentialOperator(CivoOperator):
    """
    Replaces the S3 credential behind object stores, all those that share it at once, and publishes the new one.

    In order: prove over S3 that the old credential works, switch, prove that the new one lists and reads what was
    there before, publish, look up what consumers get, wait for the grace period in the triggerer, retire the old one,
    prove that it is refused. What fails before publishing is undone. Every step reads the services first, so a task
    that was killed, retried or run twice goes on from where things stand; a run older than the newest rotation does
    nothing, and fails where its publishers do not have the newest credential. Two tasks of one run cannot rotate the
    same credential: one of them fails. From the switch on the old credential is refused, so consumers fail until the
    new one is published: see the recipe with a pool in the documentation.

    XCom, without secrets: ``{"rotated", "strategy", "credential", "stores", "published_to", "gap_seconds",
    "retired"}``; ``{"rotated": False, "reason"}`` where nothing was to be done; the plan with ``dry_run``.

    :param credential: the credential's exact name, id or access key. Its first name stands for its successors too,
        which are called ``<name>-r<time>-<hash>``; a scheduled rotation needs this or ``object_store``.
    :param object_store: instead, the exact name or id of an object store: the credential that owns it.
    :param strategy: ``replace`` creates a credential and makes it the stores' owner; ``in_place`` gives the credential
        a new key and secret; ``auto`` replaces, and changes in place where the service does not change owners.
    :param publishers: where the new credential goes, see :mod:`airflow_provider_objectstore.publishers`.
    :param grace_period: how long to keep the old credential for a rollback by hand: seconds, a ``timedelta`` or an ISO
        8601 duration.
    :param retire: ``delete`` the old credential, ``suspend`` or ``keep`` it.
    :param settle_timeout: for how long S3 may lag behind the control plane, likewise.
    :param dry_run: log what would be done, and stop.
    """

    template_fields: Sequence[str] = (
        *CivoOperator.template_fields,
        "credential",
        "object_store",
        "strategy",
        "grace_period",
        "retire",
        "settle_timeout",
        "plan_only",
    )
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "credential": read.optional(read.name),
        "object_store": read.optional(read.name),
        "strategy": read.choice("auto", "replace", "in_place"),
        "publishers": publishers,
        "grace_period": read.optional(read.seconds),
        "retire": read.choice("delete", "suspend", "keep"),
        "settle_timeout": read.seconds,
        "plan_only": read.named("dry_run", read.flag),
    }

    def __init__(
        self,
        *,
        credential: str | None = None,
        object_store: str | None = None,
        strategy: str = "auto",
        publishers: Sequence[Publisher] = (),
        grace_period: read.Duration | None = None,
        retire: str = "delete",
        settle_timeout: read.Duration = 60,
        dry_run: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.credential = credential
        self.object_store = object_store
        self.strategy = strategy
        self.publishers = publishers
        self.grace_period: Any = grace_period
        self.retire = retire
        self.settle_timeout: Any = settle_timeout
        self.plan_only = dry_run  # dry_run is a method of every operator
        self.check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Switch and publish; wait; retire."""
        from airflow_provider_objectstore.rotation.steps import SupersededError

        self._check()
        grace = timedelta(seconds=self.grace_period or 0)
        rotation = self._rotation(context)
        try:
            standing = rotation.look()
            plan = rotation.plan(standing)
            self.log.info("Plan: %s", json.dumps(plan, indent=2))
            if self.plan_only:
                return plan
            new = rotation.switch(standing)
            waiting = rotation.replaced(rotation.look(), new)
            if grace and waiting and self.retire != "keep":
                from airflow.providers.standard.triggers.temporal import DateTimeTrigger

                until = datetime.now(UTC) + grace
                names = ", ".join(it.name for it in waiting)
                self.log.info("%s: kept until %s for a rollback", names, until.isoformat(timespec="seconds"))
                self.defer(
                    trigger=DateTimeTrigger(moment=until),
                    method_name="execute_complete",
                    kwargs={"gap_seconds": rotation.gap},
                )
            return self._finish(rotation, rotation.gap)
        except SupersededError as error:
            return self._nothing(rotation, error)

    def execute_complete(self, context: Context, event: Any = None, gap_seconds: float | None = None) -> dict[str, Any]:
        """Retire what was replaced."""
        from airflow_provider_objectstore.rotation.steps import SupersededError

        self._check()
        rotation = self._rotation(context)
        try:
            return self._finish(rotation, gap_seconds)
        except SupersededError as error:
            return self._nothing(rotation, error)

    def _check(self) -> None:
        from airflow_provider_objectstore.hooks.s3 import require_boto3
        from airflow_provider_objectstore.rotation.probe import WHY

        self.read_arguments()
        if (self.credential is None) == (self.object_store is None):
            raise InvalidArgumentError(f"give credential or object_store, and not both (task {self.task_id!r})")
        require_boto3(WHY)
        check_publishers(self.publishers)

    def _rotation(self, context: Context) -> Rotation:
        from airflow_provider_objectstore.api.rotation_names import Tag
        from airflow_provider_objectstore.rotation.standing import Target
        from airflow_provider_objectstore.rotation.steps import Rotation

        run: Any = context["dag_run"]
        target = Target(self.credential, self.object_store)
        return Rotation(
            hook=self.hook,
            target=target,
            # Not of the task: the switch and the rest may be two tasks of one run.
            tag=Tag.of(run.run_after, run.dag_id, run.run_id, str(target)),
            strategy=self.strategy,
            publishers=self.publishers,
            retire=self.retire,
            patience=self.settle_timeout,
        )

    def _finish(self, rotation: Rotation, gap_seconds: float | None) -> dict[str, Any]:
        done = rotation.finish()
        self.log.info("Done: %s", json.dumps(done))
        return {"rotated": True, **done, "gap_seconds": gap_seconds}

    def _nothing(self, rotation: Rotation, reason: Exception) -> dict[str, Any]:
        rotation.require_published()
        self.log.info("%s", reason)
        return {"rotated": False, "reason": str(reason)}
