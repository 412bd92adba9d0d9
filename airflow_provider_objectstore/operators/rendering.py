"""What a task remembers of the rendering of its templates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_objectstore.compat.tasks import set_empty_fields
from airflow_provider_objectstore.fs.storage_paths import as_text

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context


class RenderedArguments(BaseOperator):
    """Base of the operators and sensors: knows in which templates an expression came out as None."""

    _lacking: Mapping[str, Any] = MappingProxyType({})
    """The templates of which a part came out as None, by the name of the field."""

    if TYPE_CHECKING:

        def naming_task(self) -> AbstractContextManager[None]: ...

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        lacking = {}
        for name in template_fields:
            template = getattr(parent, name)
            with self.naming_task():
                if (text := as_text(name, template)) is not template:  # Airflow links tasks anew at each assignment
                    setattr(parent, name, text)
            environment, nones = _counting_none(jinja_env)
            super()._do_render_template_fields(parent, [name], context, environment, seen_oids)
            set_empty_fields(self, parent, {name: template}, context, environment, seen_oids)
            if nones:
                lacking[name] = template
        parent._lacking = lacking


def _counting_none(environment: jinja2.Environment) -> tuple[jinja2.Environment, list[None]]:
    """Return an environment that renders as the given one, and a list of each None that an expression came out as."""
    nones: list[None] = []
    given = environment.finalize

    def finalize(value: Any) -> Any:
        result = given(value) if given else value
        if result is None:
            nones.append(result)
        return result

    return environment.overlay(finalize=finalize), nones
