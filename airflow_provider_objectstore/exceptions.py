"""Everything this package raises, under one root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowException

if TYPE_CHECKING:
    from collections.abc import Mapping


_LONGEST_WORD = 200
"""How much is kept of an error code or a request's id: a header may be as long as it likes."""


def printable(text: str) -> str:
    """
    Return a text with what does not print escaped, such as line ends, terminal codes and marks of direction.

    Names and what services say go into messages and logs: nothing in them may pass for another line.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


class ObjectStoreError(AirflowException):
    """Root of this package's errors. Its message prints as one line, whatever names and answers are in it."""

    def __init__(self, message: str = "") -> None:
        super().__init__(*([printable(str(message))] if message else []))

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders: keep keyword-only fields through pickle and copy.
        return _rebuild, (type(self), self.args, self.__dict__.copy())


class InvalidArgumentError(ObjectStoreError, ValueError):
    """An argument that the service would refuse, found before any request was sent."""


class ConfigurationError(ObjectStoreError):
    """The Airflow connection lacks something, or holds something that cannot be used."""


class TransportError(ObjectStoreError):
    """
    No answer arrived.

    :param message: what happened, with the operation and the host.
    :param request_sent: False where the request provably never reached the service
        (connection refused, name not resolved, TLS handshake failed).
    :param permanent: True where trying again cannot help, such as an untrusted certificate.
    """

    def __init__(self, message: str = "", *, request_sent: bool = True, permanent: bool = False) -> None:
        super().__init__(message)
        self.request_sent = request_sent
        self.permanent = permanent


class OutcomeUnknownError(ObjectStoreError):
    """A call that must not be repeated got no usable answer: it may or may not have taken effect."""


class ResourceFailedError(ObjectStoreError):
    """The service reports that a resource has failed for good."""


class OwnerChangeUnsupportedError(ObjectStoreError):
    """The service accepted a change of an object store's owner and did not carry it out."""


class ApiError(ObjectStoreError):
    """
    The service answered with an error.

    :param message: the operation, the status and the service's own words.
    :param status: HTTP status.
    :param code: the service's error code, where it gives one.
    :param request_id: the service's id of the request, where it gives one.
    :param retry_after: the ``Retry-After`` header as it came: seconds or an HTTP date.
    :param request_sent: False where the operation itself was never sent, because no token was to be had for it.
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
    """The credentials or the token were refused."""


class PermissionDeniedError(ApiError):
    """The credentials are good and do not allow this."""


class NotFoundError(ApiError):
    """The object does not exist: the service said so itself, about this object."""


class StoreNotFoundError(NotFoundError):
    """
    The store that should hold the object does not exist, so nothing can be said about the object.

    Code that takes a missing object for an answer (a default, an empty listing, "deleted already") lets this one
    through: ``except StoreNotFoundError: raise`` comes before ``except NotFoundError``.
    """


class ConflictError(ApiError):
    """The object exists already, or its state does not allow this."""


class UnreadableValueError(ApiError):
    """The service holds a value of a type that this package does not know: it is there, and not empty."""


class RateLimitedError(ApiError):
    """The service wants fewer requests; nothing was done."""


class ServerError(ApiError):
    """The service failed, or its answer cannot be understood."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitedError,
    # Not implemented: certainly not done, and no use in asking again.
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
    Map a service's error reply to an error of this package.

    :param operation: the operation and its object, such as ``get_key orders/eu/last``.
    :param status: HTTP status of the reply.
    :param reason: the service's own words.
    :param code: the service's error code.
    :param hint: what the reader can do about it.
    :param kind: the class, where a service's code tells more than the status.
    :param request_id: the service's id of the request.
    :param retry_after: the ``Retry-After`` header as it came.
    """
    kind = kind or _BY_STATUS.get(status) or (ServerError if status >= 500 or status == 408 else ApiError)
    details = ", ".join(filter(None, (code and _word(code), request_id and f"request {_word(request_id)}")))
    message = f"{operation}: the service answered {status}"
    message += f" ({details})" if details else ""
    message += f": {reason}" if reason else ""
    message += f". {hint}" if hint else ""
    return kind(message, status=status, code=code, request_id=request_id, retry_after=retry_after)


def _word(text: str) -> str:
    return printable(text)[:_LONGEST_WORD]


def _rebuild(kind: type[ObjectStoreError], args: tuple[object, ...], state: dict[str, object]) -> ObjectStoreError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error
