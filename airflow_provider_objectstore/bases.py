"""What operators and sensors share: how arguments are checked, and the connection they use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_objectstore.api import arguments as read
from airflow_provider_objectstore.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.hooks.bulk import Bulk
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
    from airflow_provider_objectstore.publishers import Publisher


def default_deferrable() -> bool:
    """Return Airflow's setting ``[operators] default_deferrable``."""
    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))


def publishers(what: str, value: Any) -> list[Publisher]:
    """Read where a credential goes: objects with ``publish()`` and ``verify()``."""
    several = isinstance(value, (list, tuple))
    for item in value if several else [value]:
        verbs = (getattr(item, verb, None) for verb in ("publish", "verify"))
        if not several or isinstance(item, type) or not all(map(callable, verbs)):
            raise InvalidArgumentError(
                f"{what} must be a list of publishers, objects with publish() and verify(); {item!r} is none"
            )
    return list(value)


def check_publishers(given: Sequence[Publisher]) -> None:
    """
    Let publishers say what would keep them from publishing, before there is a credential that they cannot take.

    :raises ConfigurationError: such as where a connection that one needs is not there.
    """
    for publisher in given:
        getattr(publisher, "check", lambda: None)()


class CheckedArguments(BaseOperator):
    """
    Checks its arguments before the first request, as early as they are known.

    Constructors end with :meth:`check_arguments`. It refuses when the DAG is parsed what is wrong already: constants,
    and what is no template field. ``execute`` begins with :meth:`read_arguments`. It refuses what templates and other
    tasks' outputs have brought, and replaces each argument by what it means.
    """

    arguments: ClassVar[Mapping[str, read.Reader]] = {}
    """How each argument is read, by the attribute that holds it."""
    _given: frozenset[str] = frozenset()

    def check_arguments(self) -> None:
        """
        Refuse what is wrong already; remember what was given.

        :raises InvalidArgumentError: naming argument, task and value.
        """
        # A constructor may run before that of its subclass: look at what is set.
        known = {name: value for name, value in vars(self).items() if name in self.arguments}
        self._given = frozenset(name for name, value in known.items() if value is not None)
        for name, value in known.items():
            if name not in self.template_fields or read.is_constant(value):
                self._read(name, value)

    def read_arguments(self) -> None:
        """
        Replace each argument by what it means.

        :raises InvalidArgumentError: naming argument, task and value.
        """
        given = self._given | self._given_by_mapping()
        for name in self.arguments:
            value = getattr(self, name)
            found = self._read(name, value)
            if value is None and name in given:
                with self.naming_task():
                    raise InvalidArgumentError(
                        f"{name} was given and came out as None, which does not count as left out. Leave it out, or "
                        "check what its template refers to"
                    )
            setattr(self, name, found)

    @contextmanager
    def naming_task(self) -> Iterator[None]:
        """Let what is refused in the block name this task."""
        try:
            yield
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{error} (task {self.task_id!r})") from error

    def _read(self, name: str, value: Any) -> Any:
        with self.naming_task():
            return self.arguments[name](name, value)

    def _given_by_mapping(self) -> frozenset[str]:
        """Return the arguments that this mapped task got from its mapping, where None comes from another task."""
        passed = getattr(self, "_BaseOperator__init_kwargs", {})
        if not (getattr(self, "_BaseOperator__from_mapped", False) and self.has_dag()):  # type: ignore[no-untyped-call]
            return frozenset()
        fixed = getattr(self.dag.task_dict.get(self.task_id), "partial_kwargs", {})
        return frozenset(passed).difference(fixed)


class AnypointOperator(CheckedArguments):
    """
    Base of what works with Anypoint Object Store v2.

    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: region instead of the connection's; an empty one is refused.
    """

    template_fields: Sequence[str] = ("anypoint_conn_id", "region")
    arguments: ClassVar[Mapping[str, read.Reader]] = {"anypoint_conn_id": read.place, "region": read.elsewhere}
    ui_color = "#cfe8f5"

    def __init__(
        self,
        *,
        anypoint_conn_id: str = "anypoint_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.anypoint_conn_id = anypoint_conn_id
        self.region = region

    @property
    def hook(self) -> AnypointObjectStoreHook:
        """The hook with this task's connection."""
        from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

        return AnypointObjectStoreHook(self.anypoint_conn_id, region=self.region)


class AnypointBulkOperator(AnypointOperator):
    """
    Base of what makes many requests at once.

    :param store_id: the store.
    :param max_concurrency: requests at a time.
    :param requests_per_second: pace instead of the connection's.
    """

    template_fields: Sequence[str] = (
        *AnypointOperator.template_fields,
        "store_id",
        "max_concurrency",
        "requests_per_second",
    )
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointOperator.arguments,
        "store_id": read.name,
        "max_concurrency": read.whole(1),
        "requests_per_second": read.optional(read.positive),
    }

    def __init__(
        self,
        *,
        store_id: str,
        max_concurrency: int | str = 32,
        requests_per_second: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.store_id = store_id
        self.max_concurrency: Any = max_concurrency
        self.requests_per_second: Any = requests_per_second
        self._bulk: Bulk | None = None
        self._killed = False

    def on_kill(self) -> None:
        """Start no further request; what is under way finishes."""
        self._killed = True
        if self._bulk:
            self._bulk.stop()

    def _begin(self, report: Callable[[], None]) -> Bulk:
        """Return what carries the requests; it calls ``report`` at a steady interval."""
        bulk = self._bulk = self.hook.bulk(
            concurrency=self.max_concurrency, requests_per_second=self.requests_per_second, report=report
        )
        if self._killed:
            bulk.stop()
        return bulk


class CivoOperator(CheckedArguments):
    """
    Base of what works with Civo object stores.

    :param civo_conn_id: id of a ``civo`` connection.
    :param region: region code instead of the connection's; an empty one is refused.
    """

    template_fields: Sequence[str] = ("civo_conn_id", "region")
    arguments: ClassVar[Mapping[str, read.Reader]] = {"civo_conn_id": read.place, "region": read.elsewhere}
    ui_color = "#d9f0dd"

    def __init__(
        self,
        *,
        civo_conn_id: str = "civo_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.civo_conn_id = civo_conn_id
        self.region = region

    @property
    def hook(self) -> CivoObjectStoreHook:
        """The hook with this task's connection."""
        from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

        return CivoObjectStoreHook(self.civo_conn_id, region=self.region)
