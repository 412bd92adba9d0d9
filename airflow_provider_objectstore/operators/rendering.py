"""What a task remembers of the rendering of its templates."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_objectstore.compat.tasks import counting_none, set_empty_field
from airflow_provider_objectstore.fs.storage_paths import as_text

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context


class RenderedArguments(BaseOperator):
    """Base of the operators and sensors: knows in which templates an expression came out as None."""

    _lacking: frozenset[str] = frozenset()
    """The template fields of which a part came out as None."""

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
        lacking = set()
        for name in template_fields:
            template = getattr(parent, name)
            with self.naming_task():
                if (text := as_text(name, template)) is not template:  # Airflow links tasks anew at each assignment
                    setattr(parent, name, text)
            environment, nones = counting_none(jinja_env)
            super()._do_render_template_fields(parent, [name], context, environment, seen_oids)
            set_empty_field(self, parent, name, template, context, environment, seen_oids)
            if nones:
                lacking.add(name)
        parent._lacking = frozenset(lacking)
