"""Triggers that declare their arguments once, as the fields of a dataclass."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from inspect import get_annotations
from typing import Any, dataclass_transform

from airflow.triggers.base import BaseTrigger

SECRET = re.compile(r"password|secret|token|api_?key|credential", re.IGNORECASE)
SET_BY_AIRFLOW = frozenset({"asset_state_store", "task_id", "template_ext", "template_fields", "trigger_id"})
"""Attributes that Airflow sets on the instances of any trigger."""


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(field,))
class DataclassTrigger(BaseTrigger):
    """
    Base of triggers whose subclasses are dataclasses.

    Each field is a keyword-only parameter. Airflow stores its value in the database to start the trigger in another
    process, and renders it where its name is that of a template field. So fields hold plain JSON values and no
    secrets. A field with ``init=False`` is state of the run: it is not stored, and its name begins with ``_``.

    A subclass that is declared wrongly raises ``TypeError`` when its module is imported.
    """

    def __init_subclass__(cls, *, kw_only: bool = True, **kwargs: Any) -> None:
        """
        Make the subclass a dataclass.

        :param kw_only: False where users may pass the arguments by position.
        :raises TypeError: for a wrong declaration.
        """
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            raise TypeError(f"{cls.__qualname__} defines __init__: declare its arguments as fields instead")
        dataclass(kw_only=kw_only, eq=False, repr=False)(cls)
        for declared in fields(cls):  # type: ignore[arg-type]
            if mistake := _mistake_in(cls, declared.name, stored=declared.init):
                raise TypeError(f"{cls.__qualname__}.{declared.name} {mistake}")

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments, which Airflow stores to start this trigger in another process."""
        cls = type(self)
        arguments = {each.name: getattr(self, each.name) for each in fields(self) if each.init}  # type: ignore[arg-type]
        return f"{cls.__module__}.{cls.__qualname__}", arguments


def _mistake_in(cls: type, name: str, *, stored: bool) -> str | None:
    if hasattr(BaseTrigger, name) or name in SET_BY_AIRFLOW:
        return "has the name of an attribute of Airflow's BaseTrigger: give the field another name"
    if name in vars(cls) and name not in get_annotations(cls):
        return "has a new default without a type, which a dataclass ignores: annotate it"
    if stored and name.startswith("_"):
        return "would be a parameter that Airflow stores: declare state as field(..., init=False)"
    if not stored and not name.startswith("_"):
        return "is not stored, so it is lost when the trigger moves: make it a parameter, or name it with a leading '_'"
    if stored and SECRET.search(name):
        return "would be stored in the database as plain text: look secrets up when the trigger runs"
    return None
