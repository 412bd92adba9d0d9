"""Anypoint's accounts: the endpoints that issue access tokens, and what a token allows."""

from __future__ import annotations

import secrets
from functools import partial

from airflow_provider_objectstore.emulator.clock import Clock
from airflow_provider_objectstore.emulator.messages import (
    Abort,
    Operation,
    Request,
    Response,
    json_response,
    loads,
)
from airflow_provider_objectstore.emulator.settings import (
    CLIENT_ID,
    CLIENT_SECRET,
    MFA_USERNAME,
    READER_ID,
    USERNAME,
    Settings,
)

ALL_SCOPES = frozenset({"read:store", "manage:store", "manage:store_data", "read:store_metrics"})
_CLIENT_SCOPES = {CLIENT_ID: ALL_SCOPES, READER_ID: frozenset({"read:store"})}


class Accounts:
    """The valid access tokens. A reset keeps them: it deletes the stores and logs nobody out."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._tokens: dict[str, tuple[frozenset[str], float]] = {}

    def issue_token(self, scopes: frozenset[str]) -> Response:
        """Issue a new token with these scopes."""
        token = secrets.token_urlsafe(32)
        seconds = self._settings.token_seconds
        self._tokens[token] = scopes, self._clock.monotonic() + seconds
        return json_response(200, {"access_token": token, "token_type": "bearer", "expires_in": int(seconds)})

    def go_back(self, seconds: float) -> None:
        """Leave each token the lifetime that it has, although the clock goes back."""
        self._tokens = {token: (scopes, expires - seconds) for token, (scopes, expires) in self._tokens.items()}

    def scopes(self, token: str) -> frozenset[str] | None:
        """Return a token's scopes, ``None`` if the token is unknown or has expired."""
        scopes, expires = self._tokens.get(token, (None, 0.0))
        return scopes if expires > self._clock.monotonic() else None


def _parse_fields(request: Request) -> dict[str, object]:
    try:
        body = loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Abort(json_response(400, {"message": "The body must be a JSON object"}))
    return body


def token(accounts: Accounts, request: Request) -> Response:
    """``POST /accounts/api/v2/oauth2/token``: a connected app's client credentials."""
    fields = _parse_fields(request)
    if fields.get("grant_type") != "client_credentials":
        return json_response(400, {"message": "grant_type must be client_credentials"})
    scopes = _CLIENT_SCOPES.get(str(fields.get("client_id")))
    if scopes is None or fields.get("client_secret") != CLIENT_SECRET:
        return json_response(401, {"message": "Invalid client id or secret"})
    return accounts.issue_token(scopes)


def login(accounts: Accounts, request: Request) -> Response:
    """``POST /accounts/api/login``, ``/accounts/login``: a user. With a second factor: 200 without a token."""
    fields = _parse_fields(request)
    if fields.get("password") != CLIENT_SECRET or fields.get("username") not in (USERNAME, MFA_USERNAME):
        return json_response(401, {"message": "Invalid username or password"})
    if fields["username"] == MFA_USERNAME:
        return json_response(200, {"mfaRequired": True, "redirectUrl": "/login/mfa"})
    return accounts.issue_token(ALL_SCOPES)


NAMES = frozenset({"accounts.token", "accounts.login"})


def route(accounts: Accounts, method: str, segments: list[str]) -> tuple[str, Operation] | None:
    """Return name and operation of a path's segments after ``/accounts``, ``None`` if there is no such operation."""
    if method != "POST":
        return None
    if segments == ["api", "v2", "oauth2", "token"]:
        return "accounts.token", partial(token, accounts)
    if segments in (["api", "login"], ["login"]):
        return "accounts.login", partial(login, accounts)
    return None
