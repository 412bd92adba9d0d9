"""What XCom must not, or cannot, hold."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from airflow_provider_objectstore.exceptions import InvalidArgumentError


def fits_xcom(value: Any) -> bool:
    """
    Tell whether XCom can hold a value. Airflow sends it as MessagePack, whose integers have 64 bits.

    :param value: the value; all but integers fit.
    """
    return not isinstance(value, int) or -(2**63) <= value < 2**64


class NotForXCom:
    """
    Base of classes whose objects a task must not return, not even in a collection.

    Airflow calls an object's own ``serialize`` first. Pickling and copying are not affected.
    A subclass sets ``_instead``: what to return instead.
    """

    __slots__ = ()
    _instead: ClassVar[str]

    def serialize(self) -> NoReturn:
        """
        Refuse to be serialized.

        :raises InvalidArgumentError: saying what to return instead.
        """
        raise InvalidArgumentError(f"a task must not return {type(self).__name__} into XCom: {self._instead}")
