"""Operator that rotates the credentials of Civo object stores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.operators.base import CivoOperator, check_publishers, publishers

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_objectstore.publishers import Publisher
    from airflow_provider_objectstore.rotation.context import ResumePoint
    from airflow_provider_objectstore.rotation.rotation import Rotation, SwitchResult

Strategy: TypeAlias = Literal["auto", "overlap", "replace", "in_place"]
Retire: TypeAlias = Literal["delete", "suspend", "keep"]


class CivoRotateCredentialOperator(CivoOperator):
    """
    Replace the S3 credential of object stores and publish the new one. All stores that share it are switched together.

    Steps: verify over S3 that the old credential works, create the new one and give it access beside the old one,
    verify that it works, publish it, look up what consumers read, wait for the grace period in the triggerer, make it
    the owner, retire the old one, verify that S3 denies it. What fails before publishing is undone. If the service
    has no bucket policies, the new credential becomes the owner before it is published, and consumers are denied in
    between.

    Every step reads the services first, so a task that was killed, retried or run twice continues where it stopped. A
    run older than the newest rotation changes nothing, and fails if its publishers do not have the newest credential.
    Of two tasks of one run that rotate the same credential, one fails, unless target and publishers are the same. After
    a change of the publishers trigger a new run: a retry of the old one fails.

    XCom: ``{"rotated", "strategy", "credential", "stores", "owners", "published_to", "gap_seconds", "retired",
    "look_alikes"}``; ``{"rotated": False, "reason"}`` if there was nothing to do; the plan with ``dry_run``. None has
    secrets.

    :param credential: the credential's exact name, id or access key. Its first name also means its successors, which
        are called ``<name>-r<time>-<hash>``. A scheduled rotation needs that name or ``object_store``.
    :param object_store: the exact name or id of an object store, whose owner is rotated. Give this or ``credential``.
    :param strategy: ``overlap`` creates a credential that works beside the old one, by bucket policies, until the grace
        period is over; ``replace`` creates a credential and makes it the stores' owner; ``in_place`` gives the
        credential a new access key and secret; ``auto`` takes the first of these that the service supports.
    :param publishers: where to publish the new credential, see :mod:`airflow_provider_objectstore.publishers`.
    :param grace_period: how long to keep the old credential for a rollback by hand: seconds, a ``timedelta`` or an ISO
        8601 duration. Left out, it is retired at once.
    :param retire: what to do with the old credential: ``delete`` or ``suspend`` it, or ``keep`` it unchanged.
    :param settle_timeout: how long S3 may lag behind the control plane, in the same forms as ``grace_period``.
    :param max_outage: how long consumers may be refused, in the same forms. If only strategies are left that are
        expected to refuse them for longer, the task fails before it changes anything. None for no limit.
    :param dry_run: only log the plan.
    :param civo_conn_id: id of the ``civo`` connection.
    :param region: region code such as ``LON1``, instead of the connection's. An empty one is an error.
    """

    template_fields: Sequence[str] = (
        *CivoOperator.template_fields,
        "credential",
        "object_store",
        "strategy",
        "grace_period",
        "retire",
        "settle_timeout",
        "max_outage",
        "dry_run",
    )
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **CivoOperator.arguments,
        "credential": read.optional(read.name),
        "object_store": read.optional(read.name),
        "strategy": read.choice(*get_args(Strategy)),
        "publishers": publishers,
        "grace_period": read.optional(read.seconds),
        "retire": read.choice(*get_args(Retire)),
        "settle_timeout": read.seconds,
        "max_outage": read.optional(read.seconds),
        "dry_run": read.flag,
    }
    dry_run: Any  # hides BaseOperator.dry_run(), which only logs the template fields and which Airflow 3 never calls

    def __init__(
        self,
        *,
        credential: str | None = None,
        object_store: str | None = None,
        strategy: Strategy = "auto",
        publishers: Sequence[Publisher] = (),
        grace_period: read.Duration | None = None,
        retire: Retire = "delete",
        settle_timeout: read.Duration = 60,
        max_outage: read.Duration | None = None,
        dry_run: bool | str = False,
        civo_conn_id: str = "civo_default",
        region: str | None = None,
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
        self.max_outage: Any = max_outage
        self.dry_run = dry_run
        self.civo_conn_id = civo_conn_id
        self.region = region

    def execute(self, context: Context) -> dict[str, Any]:
        """Switch and publish; wait for the grace period; retire."""
        from airflow_provider_objectstore.rotation.state import SupersededError

        self._check()
        grace = timedelta(seconds=self.grace_period or 0)
        rotation = self._rotation(context)
        try:
            state = rotation.refresh()
            plan = rotation.plan(state)
            self.log.info("Plan of the rotation (%s): %s", self.where, json.dumps(plan, indent=2))
            if self.dry_run:
                self.log.info("Dry run of rotating %s: nothing was changed (%s)", rotation.target, self.where)
                return plan
            switched = rotation.switch(state)
            if grace and switched.replaced and (self.retire != "keep" or switched.strategy == "overlap"):
                from airflow.providers.standard.triggers.temporal import DateTimeTrigger

                until = datetime.now(UTC) + grace
                names = ", ".join(credential.name for credential in switched.replaced)
                self.log.info("%s: kept until %s for a rollback", names, until.isoformat(timespec="seconds"))
                self.defer(
                    trigger=DateTimeTrigger(moment=until),
                    method_name="execute_complete",
                    kwargs={"resume_point": rotation.resume_point(switched).serialize()},
                )
            return self._finish(rotation, rotation.outage_seconds, switched)
        except SupersededError as error:
            return self._nothing(rotation, error)

    def execute_complete(
        self, context: Context, event: Any = None, resume_point: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Complete the rotation and retire the replaced credentials after the grace period."""
        from airflow_provider_objectstore.rotation.context import ResumePoint
        from airflow_provider_objectstore.rotation.state import SupersededError

        self._check()
        resumed = ResumePoint.deserialize(resume_point) if resume_point else None  # dag.test() keeps the event alone
        rotation = self._rotation(context, resumed)
        try:
            return self._finish(rotation, resumed.outage_seconds if resumed else None)
        except SupersededError as error:
            return self._nothing(rotation, error)

    def check_combination(self) -> None:
        """Check that the owner is named, or an object store of it."""
        read.exactly_one(credential=self.credential, object_store=self.object_store)

    def _check(self) -> None:
        from airflow_provider_objectstore.hooks.s3_client import require_module
        from airflow_provider_objectstore.rotation.verify import BOTO3_REASON

        self.read_arguments()
        require_module("boto3", BOTO3_REASON)
        check_publishers(self.publishers)

    def _rotation(self, context: Context, resumed: ResumePoint | None = None) -> Rotation:
        from airflow_provider_objectstore.rotation.names import RotationId
        from airflow_provider_objectstore.rotation.publish import identities_of
        from airflow_provider_objectstore.rotation.rotation import Rotation
        from airflow_provider_objectstore.rotation.state import RotationTarget

        run: Any = context["dag_run"]
        target = RotationTarget(self.credential, self.object_store)
        # Without the task's id: switching and retiring may be two tasks of one run.
        identity = run.dag_id, run.run_id, str(target), *identities_of(self.publishers)
        return Rotation(
            hook=self.hook,
            target=target,
            rotation_id=resumed.rotation_id if resumed else RotationId.of(run.run_after, *identity),
            strategy=resumed.strategy if resumed else self.strategy,
            publishers=self.publishers,
            retire=self.retire,
            settle_timeout=self.settle_timeout,
            max_outage=self.max_outage,
            resumed=resumed,
        )

    def _finish(
        self, rotation: Rotation, gap_seconds: float | None, switched: SwitchResult | None = None
    ) -> dict[str, Any]:
        done = rotation.finish(switched)
        self.log.info("Rotated %s (%s): %s", rotation.target, self.where, json.dumps(done))
        return {"rotated": True, **done, "gap_seconds": gap_seconds}

    def _nothing(self, rotation: Rotation, reason: Exception) -> dict[str, Any]:
        rotation.require_published()
        self.log.info("Not rotated, %s: %s (%s)", rotation.target, reason, self.where)
        return {"rotated": False, "reason": str(reason)}
