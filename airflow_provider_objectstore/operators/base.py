"""Bases of the operators and sensors: they check the arguments and create the hook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, wraps
from inspect import isfunction, signature
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowFailException, conf

from airflow_provider_objectstore import arguments as read
from airflow_provider_objectstore.compat.tasks import (
    mapped_argument_names,
    supports_retry_policies,
    without_retries,
)
from airflow_provider_objectstore.exceptions import (
    ConfigurationError,
    InvalidArgumentError,
    ObjectStoreError,
    is_permanent,
)
from airflow_provider_objectstore.operators.rendering import RenderedArguments

if TYPE_CHECKING:
    from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
    from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
    from airflow_provider_objectstore.publishers import Publisher
    from airflow_provider_objectstore.transport.bulk import BulkRunner


def default_deferrable() -> bool:
    """Return Airflow's setting ``[operators] default_deferrable``."""
    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))


def publishers(what: str, value: Any) -> list[Publisher]:
    """
    Read a list of publishers, which are objects with ``publish()`` and ``verify()``.

    :param what: the argument's name, for the error.
    :param value: the argument's value.
    :raises InvalidArgumentError: if it is no list, or an item is no publisher.
    """
    is_list = isinstance(value, (list, tuple))
    for item in value if is_list else [value]:
        methods = (getattr(item, method, None) for method in ("publish", "verify"))
        if not is_list or isinstance(item, type) or not all(map(callable, methods)):
            raise InvalidArgumentError(
                f"{what} must be a list of publishers, objects with publish() and verify(); {item!r} is none"
            )
    return list(value)


def check_publishers(publishers: Sequence[Publisher]) -> None:
    """
    Call each publisher's optional ``check()``, before there is a credential that it could not publish.

    :param publishers: the publishers of a task.
    :raises ConfigurationError: such as for a connection of a publisher that lacks a field.
    :raises AirflowNotFoundException: if Airflow does not find a connection that a publisher needs.
    """
    for publisher in publishers:
        getattr(publisher, "check", lambda: None)()


class CheckedArguments(RenderedArguments):
    """
    Checks a task's arguments before its first request, as early as their values are known.

    When the DAG is parsed, :meth:`check_arguments` checks constants and arguments that are no template fields.
    ``execute`` begins with :meth:`read_arguments`, which checks the rendered values as well and replaces each argument
    by what it means.

    A task whose error cannot pass is not tried again: by a retry policy, which the user may replace, or before Airflow
    3.3 by the error itself.

    Constructors only assign. ``__post_init__`` runs once, after the outermost one, as in a dataclass.
    """

    arguments: ClassVar[Mapping[str, read.Reader]] = {}
    """The reader of each argument, by the attribute that holds the argument."""
    _given: Mapping[str, Any] = MappingProxyType({})  # as given, before templates are rendered
    _left_out: frozenset[str] = frozenset()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _with_post_init(cls, cls.__init__)  # type: ignore[method-assign]
        for name, value in vars(cls).copy().items():
            if name.startswith("execute") and isfunction(value):
                setattr(cls, name, _without_useless_retries(_placing_errors(value)))

    def __post_init__(self) -> None:
        """Check the arguments; called when all constructors have finished."""
        self.check_arguments()
        if supports_retry_policies() and self.retry_policy is None:
            from airflow_provider_objectstore.retries import ObjectStoreRetryPolicy

            self.retry_policy = ObjectStoreRetryPolicy()

    def check_arguments(self) -> None:
        """
        Check the arguments whose values are known, and record what was given.

        :raises InvalidArgumentError: naming argument, task and value.
        """
        fields = {*self.arguments, *self.template_fields}
        known = {name: value for name, value in vars(self).items() if name in fields}
        self._given = {name: value for name, value in known.items() if value is not None}
        for name, value in known.items():
            if name in self.arguments and (name not in self.template_fields or read.is_constant(value)):
                self._read(name, value)
        with self.naming_task():
            self.check_combination()

    def check_combination(self) -> None:
        """
        Check which arguments are left out. A template that comes out as None does not count as left out.

        :raises InvalidArgumentError: naming those of which one is missing or too many.
        """

    def read_arguments(self) -> None:
        """
        Check all arguments and replace each by what it means.

        :raises InvalidArgumentError: naming argument, task and value.
        """
        given = self._given.keys() | (mapped_argument_names(self) - self._left_out)
        for name in self.arguments:
            value = getattr(self, name)
            meaning = self._read(name, value)
            if value is None and name in given:
                with self.naming_task():
                    raise InvalidArgumentError(
                        f"{name} was given and came out as None, which does not count as left out. Leave it out, or "
                        "check what its template refers to"
                    )
            self._check_rendered(name)
            setattr(self, name, meaning)

    @contextmanager
    def naming_task(self) -> Iterator[None]:
        """Add this task's id to the ``InvalidArgumentError`` of the block."""
        try:
            yield
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{error} (task {self.task_id!r})") from error.__cause__

    @property
    def _place(self) -> str:
        """The connection that was used, and where it leads, for errors; empty if none was used yet."""
        return used_place(vars(self).get("hook"))

    def _check_rendered(self, name: str) -> None:
        with self.naming_task():
            lacking = name in self._lacking
            read.check_rendered(name, self._given.get(name), getattr(self, name), lacking=lacking)

    def _read(self, name: str, value: Any) -> Any:
        with self.naming_task():
            return self.arguments[name](name, value)


def used_place(hook: object) -> str:
    """
    Return the connection that a hook has used, and where it leads, for errors; empty if it used none yet.

    :param hook: anything: a subclass of an operator may have another kind of hook.
    """
    from airflow_provider_objectstore.hooks.object_store import ObjectStoreHook

    connection = hook._cached_connection if isinstance(hook, ObjectStoreHook) else None
    return connection.where if connection is not None else ""


def _with_post_init(cls: type[CheckedArguments], init: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor of a class that calls ``__post_init__`` after the outermost constructor."""
    # A metaclass with __call__ would be shorter, and would hide the constructors' signatures from help() and editors.
    parameters = frozenset(signature(init).parameters)

    @wraps(init)
    def init_and_post_init(self: CheckedArguments, **kwargs: Any) -> None:
        # A constructor passes its defaults on: to the next one they look as if the user had given them.
        self._left_out |= parameters.difference(kwargs)
        init(self, **kwargs)
        if cls is next(owner for owner in type(self).__mro__ if "__init__" in vars(owner)):
            self.__post_init__()

    return init_and_post_init


def _without_useless_retries(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method after whose permanent errors Airflow does not try the task again, where no policy sees to it."""
    if supports_retry_policies():
        return method

    @wraps(method)
    def call(self: CheckedArguments, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except ObjectStoreError as error:
            if not is_permanent(error) or isinstance(error, AirflowFailException):
                raise
            raise without_retries(error) from error.__cause__

    return call


def _placing_errors(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method whose errors say through which connection, and where, unless it was not used yet."""

    @wraps(method)
    def call(self: CheckedArguments, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except ObjectStoreError as error:
            if isinstance(error, (InvalidArgumentError, ConfigurationError)):
                raise
            placed = error.placed(self._place)
            if placed is error:
                raise
            raise placed from error.__cause__

    return call


class AnypointOperator(CheckedArguments):
    """
    Base of the operators and sensors for Anypoint Object Store v2.

    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: id of a region, such as ``eu-west-1``, instead of the connection's. None means the connection's; an
        empty text is an error.
    """

    template_fields: Sequence[str] = ("anypoint_conn_id", "region")
    arguments: ClassVar[Mapping[str, read.Reader]] = {"anypoint_conn_id": read.identifier, "region": read.override}
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

    @cached_property
    def hook(self) -> AnypointObjectStoreHook:
        """The hook with this task's connection and region."""
        from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook

        return AnypointObjectStoreHook(self.anypoint_conn_id, region=self.region)

    @property
    def where(self) -> str:
        """The connection, the environment and the region, for log lines."""
        return self.hook.where


class BulkRequests(CheckedArguments):
    """
    Base of what sends many requests concurrently.

    :param max_concurrency: how many requests run at the same time, at least 1.
    :param requests_per_second: requests a second instead of the connection's ``requests_per_second``, above 0.
        None means the connection's.
    """

    template_fields: Sequence[str] = ("max_concurrency", "requests_per_second")
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        "max_concurrency": read.integer(1),
        "requests_per_second": read.optional(read.positive),
    }

    def __init__(
        self, *, max_concurrency: int | str = 32, requests_per_second: float | str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.max_concurrency: Any = max_concurrency
        self.requests_per_second: Any = requests_per_second
        self._runners: list[BulkRunner] = []
        self._killed = False

    def on_kill(self) -> None:
        """Start no further request; requests under way finish."""
        self._killed = True
        for bulk in self._runners:
            bulk.stop()

    def _bulk_runner(self, hook: AnypointObjectStoreHook, report: Callable[[], None] | None = None) -> BulkRunner:
        """
        Return a runner of concurrent requests, which the end of the task stops.

        :param hook: the hook whose connection is used.
        :param report: called at a steady interval while requests run, to log the progress.
        """
        bulk = hook.bulk(concurrency=self.max_concurrency, requests_per_second=self.requests_per_second, report=report)
        self._runners.append(bulk)
        if self._killed:
            bulk.stop()
        return bulk


class AnypointBulkOperator(BulkRequests, AnypointOperator):
    """
    Base of the operators that send many requests concurrently.

    :param store_id: id of the store.
    :param max_concurrency: how many requests run at the same time, at least 1.
    :param requests_per_second: requests a second instead of the connection's ``requests_per_second``, above 0.
        None means the connection's.
    :param anypoint_conn_id: id of an ``anypoint`` connection.
    :param region: id of a region, such as ``eu-west-1``, instead of the connection's. None means the connection's; an
        empty text is an error.
    """

    template_fields: Sequence[str] = (
        *AnypointOperator.template_fields,
        "store_id",
        *BulkRequests.template_fields,
    )
    arguments: ClassVar[Mapping[str, read.Reader]] = {
        **AnypointOperator.arguments,
        "store_id": read.name,
        **BulkRequests.arguments,
    }

    def __init__(
        self,
        *,
        store_id: str,
        max_concurrency: int | str = 32,
        requests_per_second: float | str | None = None,
        anypoint_conn_id: str = "anypoint_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            max_concurrency=max_concurrency,
            requests_per_second=requests_per_second,
            anypoint_conn_id=anypoint_conn_id,
            region=region,
            **kwargs,
        )
        self.store_id = store_id

    def _start_bulk(self, report: Callable[[], None]) -> BulkRunner:
        """
        Return a runner of concurrent requests of this task's connection.

        :param report: called at a steady interval while requests run, to log the progress.
        """
        return self._bulk_runner(self.hook, report)


class CivoOperator(CheckedArguments):
    """
    Base of the operators and sensors for Civo object stores.

    :param civo_conn_id: id of a ``civo`` connection.
    :param region: code of a region, such as ``LON1``, instead of the connection's. None means the connection's; an
        empty text is an error.
    """

    template_fields: Sequence[str] = ("civo_conn_id", "region")
    arguments: ClassVar[Mapping[str, read.Reader]] = {"civo_conn_id": read.identifier, "region": read.override}
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

    @cached_property
    def hook(self) -> CivoObjectStoreHook:
        """The hook with this task's connection and region."""
        from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook

        return CivoObjectStoreHook(self.civo_conn_id, region=self.region)

    @property
    def where(self) -> str:
        """The connection and the region, for log lines."""
        return self.hook.where
