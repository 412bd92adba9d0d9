"""What differs in tasks and notifiers between versions of Airflow, and what only their privates tell."""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import BaseNotifier, BaseOperator, Context

E = TypeVar("E", bound=Exception)


def mapped_argument_names(operator: BaseOperator) -> frozenset[str]:
    """
    Return the names of the arguments that a mapped task got from ``expand``; nothing for other tasks.

    Private: how ``BaseOperator`` stores its arguments. It can go when Airflow has a public way to ask an unmapped task.
    """
    arguments: Mapping[str, Any] = getattr(operator, "_BaseOperator__init_kwargs", {})
    if not (getattr(operator, "_BaseOperator__from_mapped", False) and operator.has_dag()):  # type: ignore[no-untyped-call]
        return frozenset()
    fixed = getattr(operator.dag.task_dict.get(operator.task_id), "partial_kwargs", {})
    return frozenset(arguments).difference(fixed)


def supports_retry_policies() -> bool:
    """
    Return whether tasks have a policy that decides about their retries.

    Remove when Airflow >= 3.3 is required.
    """
    from airflow.providers.common.compat.sdk import BaseOperator

    return hasattr(BaseOperator, "retry_policy")


def without_retries(error: E) -> E:
    """
    Return the same error as one after which Airflow does not try a task again.

    For operators before Airflow 3.3, where a retry policy says so, and for sensors, which go on after other errors.

    :param error: the error.
    """
    from airflow.providers.common.compat.sdk import AirflowFailException

    kind = type(error)
    # To another process the error goes as it was: a class that is made here cannot be imported there.
    final_kind: Any = type(kind.__name__, (kind, AirflowFailException), {"__reduce__": lambda _: error.__reduce__()})
    final: E = final_kind.__new__(final_kind)
    final.args = error.args
    final.__dict__.update(error.__dict__)
    return final


def set_empty_field(
    operator: BaseOperator,
    parent: Any,
    name: str,
    template: Any,
    context: Context,
    jinja_env: jinja2.Environment,
    seen_oids: set[int],
) -> None:
    """
    Set a template field whose value has come out empty. Before 3.2 it is left as it is.

    Remove when Airflow >= 3.2 is required.

    :param operator: the operator that has rendered it.
    :param parent: what has the field.
    :param name: the field's name.
    :param template: the field as it was before.
    :param context: the context that the task runs in.
    :param jinja_env: the environment to render with.
    :param seen_oids: what Airflow does not render again.
    """
    if getattr(parent, name) is template:
        setattr(parent, name, operator.render_template(template, context, jinja_env, seen_oids))


def counting_none(environment: jinja2.Environment) -> tuple[jinja2.Environment, list[None]]:
    """
    Return an environment that renders as another one, and a list of each None that an expression comes out as there.

    :param environment: the other one.
    """
    nones: list[None] = []
    given = environment.finalize

    @wraps(given or (lambda value: value))  # with Jinja's mark of what it is called with, beside the value
    def finalize(*arguments: Any) -> Any:
        result = given(*arguments) if given else arguments[-1]
        if result is None:
            nones.append(result)
        return result

    return environment.overlay(finalize=finalize), nones


def render_fields(notifier: BaseNotifier, context: Context, jinja_env: jinja2.Environment | None = None) -> set[str]:
    """
    Render the template fields of a notifier in place. Return the names of those of which a part came out as None.

    Remove when Airflow >= 3.2 is required and ``dag.test()`` renders the callbacks of DAGs. Before 3.2 a template that
    comes out empty is left as it is, and 3.3's ``dag.test()`` gives a DAG that has no ``get_template_env``.

    :param notifier: the notifier.
    :param context: the callback's context.
    :param jinja_env: the environment to render with; None for the DAG's.
    """
    dag: Any = context.get("dag")
    environment = jinja_env or notifier.get_template_env(dag=dag if hasattr(dag, "get_template_env") else None)
    lacking = set()
    for name in notifier.template_fields:
        counting, nones = counting_none(environment)
        setattr(notifier, name, notifier.render_template(getattr(notifier, name), context, counting))
        lacking |= {name} if nones else set()
    return lacking
