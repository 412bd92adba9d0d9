"""What must not leave a task as its result."""

from __future__ import annotations

from typing import ClassVar, NoReturn

from airflow_provider_objectstore.exceptions import InvalidArgumentError


class NotForXCom:
    """
    Base of what refuses to go into XCom, whichever collection it is in, and says what goes there instead.

    Airflow asks an object's own ``serialize`` before anything else. Pickling and copying are not affected.
    """

    __slots__ = ()
    _instead: ClassVar[str]

    def serialize(self) -> NoReturn:
        """
        Refuse.

        :raises InvalidArgumentError: saying what to return instead.
        """
        raise InvalidArgumentError(f"a task must not return {type(self).__name__} into XCom: {self._instead}")
