"""The errors of this package, under one root."""

from __future__ import annotations

import re
from copy import copy
from typing import TYPE_CHECKING, Self

from airflow.providers.common.compat.sdk import AirflowException

if TYPE_CHECKING:
    from collections.abc import Mapping


_MAX_REASON_LENGTH = 500
"""Most characters of a service's message."""
_MAX_WORD_LENGTH = 200
"""Most characters of an error code or a request id: a server may send headers of any length."""


def printable(text: str) -> str:
    """
    Escape what does not print in a text, such as line ends, terminal codes and direction marks.

    Names and messages of services go into errors and logs: they must not look like lines of their own.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


class ObjectStoreError(AirflowException):
    """
    Root of this package's errors. Its message prints as one line, whatever names and responses are in it.

    :param message: what happened, to which object, and what to do next.
    """

    is_placed = False
    """Whether the message ends with where it happened."""

    def __init__(self, message: str = "") -> None:
        super().__init__(*([printable(str(message))] if message else []))

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders: keep keyword-only fields through pickle and copy.
        return _rebuild, (type(self), self.args, self.__dict__.copy())

    def prefixed(self, text: str) -> Self:
        """
        Return this error with a text before its message, such as what was done before it.

        :param text: the text.
        """
        return self.reworded(f"{text}{self}")

    def reworded(self, message: str) -> Self:
        """
        Return this error with another message.

        :param message: the message.
        """
        error = copy(self)  # others may hold this one: callers that wait for a token share its error
        error.args = (printable(message),)
        return error

    def placed(self, where: str) -> Self:
        """
        Return this error with where it happened at the end of its message, once.

        :param where: the connection's id, and where it leads.
        """
        place = printable(where)
        if not place or self.is_placed or re.search(rf"(?<!\w){re.escape(place)}(?![\w.-])", str(self)):
            return self
        error = copy(self)
        error.is_placed = True
        error.args = (f"{self} [{place}]",)
        return error.with_traceback(self.__traceback__)


class InvalidArgumentError(ObjectStoreError, ValueError):
    """An argument is not allowed. Raised before any request is sent."""


class InvalidTriggerError(InvalidArgumentError, TypeError):
    """
    An argument of an event trigger is not allowed.

    Also a ``TypeError``: a triggerer that creates a stored trigger survives no other error of a constructor.
    """


class ConfigurationError(ObjectStoreError):
    """The Airflow connection lacks a field, or has one that cannot be used."""


class TransportError(ObjectStoreError):
    """
    No response arrived.

    :param message: what happened, with the operation and the host.
    :param request_sent: False where the request provably never reached the service
        (connection refused, name not resolved, TLS handshake failed).
    :param permanent: True where another attempt cannot help, such as for an untrusted certificate.
    :param unreachable: True where there was no connection at all, so that nothing can have happened anywhere
        (connection refused, name not resolved, no connection in time, a proxy that gives none).
    """

    def __init__(
        self,
        message: str = "",
        *,
        request_sent: bool = True,
        permanent: bool = False,
        unreachable: bool = False,
    ) -> None:
        super().__init__(message)
        self.request_sent = request_sent
        self.permanent = permanent
        self.unreachable = unreachable


class OutcomeUnknownError(ObjectStoreError):
    """A call that must not be repeated got no usable response: it may or may not have taken effect."""


class ResourceFailedError(ObjectStoreError):
    """The service reports that a resource has failed for good."""


class OwnerChangeUnsupportedError(ObjectStoreError):
    """The service accepted a change of an object store's owner and did not carry it out."""


class ApiError(ObjectStoreError):
    """
    The service answered with an error.

    :param message: the operation, the status and the service's message.
    :param status: HTTP status.
    :param code: the service's error code; None for none.
    :param request_id: the service's id of the request; None for none.
    :param retry_after: the ``Retry-After`` header: seconds, or an HTTP date of a response that has no date itself.
    :param request_sent: False where the operation itself was never sent, because there was no token for it.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: str | None = None,
        request_sent: bool = True,
    ) -> None:
        super().__init__(message)
        self.request_sent = request_sent
        self.status = status
        self.code = code and _word(code)
        self.request_id = request_id and _word(request_id)
        self.retry_after = retry_after


class AuthenticationError(ApiError):
    """The credentials or the token were rejected."""


class PermissionDeniedError(ApiError):
    """The credentials are valid but do not allow this."""


class NotFoundError(ApiError):
    """The object does not exist, as the service itself states about this object."""


class StoreNotFoundError(NotFoundError):
    """
    The store that should hold the object does not exist, so nothing can be said about the object.

    Code that handles a missing object (a default, an empty listing, "deleted already") must not handle this one: put
    ``except StoreNotFoundError: raise`` before ``except NotFoundError``.
    """


class ConflictError(ApiError):
    """The object exists already, or its state does not allow this."""


class UnreadableValueError(ApiError):
    """The value exists, but its type is not known to this package."""


class RateLimitedError(ApiError):
    """The service throttles requests; nothing was done."""


class ServerError(ApiError):
    """The service failed, or its response cannot be understood."""


def cause_of(error: BaseException) -> BaseException | None:
    """
    Return the cause to show for an error whose message repeats another one: of an error of this package its own cause.

    A log prints each cause with its traceback, and would say the same twice.

    :param error: the error whose message is repeated.
    """
    return error.__cause__ if isinstance(error, ObjectStoreError) else error


def is_transient(error: BaseException) -> bool:
    """
    Tell whether the same request may succeed later: no response, 429, 5xx, or a response that makes no sense.

    :param error: any error.
    """
    if isinstance(error, TransportError):
        return not error.permanent
    return isinstance(error, (RateLimitedError, ServerError))


def is_permanent(error: BaseException) -> bool:
    """
    Tell whether another try of the same task cannot help: wrong arguments, a wrong connection, a missing right.

    Neither this nor :func:`is_transient` holds where nobody can tell: an object may appear, a conflict may pass, and a
    job that failed in part may do the rest. Those are tried as often as the task says.

    :param error: any error.
    """
    if isinstance(error, (NotFoundError, ConflictError)) or is_transient(error):
        return False
    certain = (ApiError, ConfigurationError, InvalidArgumentError, ResourceFailedError, TransportError)
    return isinstance(error, (*certain, OwnerChangeUnsupportedError)) or getattr(error, "non_retryable", False)


_BY_STATUS: Mapping[int, type[ApiError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitedError,
    # Not implemented: not done, and another attempt would not help.
    501: ApiError,
}


def error_for(
    operation: str,
    status: int,
    *,
    reason: str,
    code: str | None = None,
    hint: str | None = None,
    kind: type[ApiError] | None = None,
    request_id: str | None = None,
    retry_after: str | None = None,
) -> ApiError:
    """
    Map an error response to an error of this package.

    :param operation: the operation and its object, such as ``anypoint.get_key (store s, partition p, key 'k')``.
    :param status: HTTP status of the response.
    :param reason: the service's message.
    :param code: the service's error code.
    :param hint: what the user can do about it.
    :param kind: the class of the error, where the code tells more than the status.
    :param request_id: the service's id of the request.
    :param retry_after: the ``Retry-After`` header.
    """
    kind = kind or _BY_STATUS.get(status) or (ServerError if status >= 500 or status == 408 else ApiError)
    details = ", ".join(filter(None, (code and _word(code), request_id and f"request {_word(request_id)}")))
    message = f"{operation}: the service answered {status}"
    message += f" ({details})" if details else ""
    message += f": {reason[:_MAX_REASON_LENGTH]}" if reason else ""
    message += f". {hint}" if hint else ""
    return kind(message, status=status, code=code, request_id=request_id, retry_after=retry_after)


def _word(text: str) -> str:
    return printable(text)[:_MAX_WORD_LENGTH]


def _rebuild(kind: type[ObjectStoreError], args: tuple[object, ...], state: dict[str, object]) -> ObjectStoreError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error
