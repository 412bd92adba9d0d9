"""Anypoint's accounts: the endpoints that hand out tokens, and what a token allows."""

from __future__ import annotations

import secrets
from functools import partial

from airflow_provider_objectstore.emulator.messages import (
    Answered,
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

ALL_SCOPES = frozenset({"read:store", "manage:store", "manage:store_data"})
_CLIENTS = {CLIENT_ID: ALL_SCOPES, READER_ID: frozenset({"read:store"})}


class Accounts:
    """The tokens that are out. They outlive a reset: it empties the stores and logs nobody out."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tokens: dict[str, tuple[frozenset[str], float]] = {}

    def token(self, scopes: frozenset[str]) -> Response:
        """Hand out a new token."""
        token = secrets.token_urlsafe(32)
        seconds = self._settings.token_seconds
        self._tokens[token] = scopes, self._settings.clock() + seconds
        return json_response(200, {"access_token": token, "token_type": "bearer", "expires_in": int(seconds)})

    def scopes(self, token: str) -> frozenset[str] | None:
        """What a token allows; ``None`` if it is unknown or has expired."""
        scopes, expires = self._tokens.get(token, (None, 0.0))
        return scopes if expires > self._settings.clock() else None


def _fields(request: Request) -> dict[str, object]:
    try:
        body = loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Answered(json_response(400, {"message": "The body must be a JSON object"}))
    return body


def token(accounts: Accounts, request: Request) -> Response:
    """The connected app's flow."""
    fields = _fields(request)
    if fields.get("grant_type") != "client_credentials":
        return json_response(400, {"message": "grant_type must be client_credentials"})
    scopes = _CLIENTS.get(str(fields.get("client_id")))
    if scopes is None or fields.get("client_secret") != CLIENT_SECRET:
        return json_response(401, {"message": "Invalid client id or secret"})
    return accounts.token(scopes)


def login(accounts: Accounts, request: Request) -> Response:
    """The user's flow; a user with a second factor gets a 200 without a token."""
    fields = _fields(request)
    if fields.get("password") != CLIENT_SECRET or fields.get("username") not in (USERNAME, MFA_USERNAME):
        return json_response(401, {"message": "Invalid username or password"})
    if fields["username"] == MFA_USERNAME:
        return json_response(200, {"mfaRequired": True, "redirectUrl": "/login/mfa"})
    return accounts.token(ALL_SCOPES)


def route(accounts: Accounts, method: str, segments: list[str]) -> tuple[str, Operation] | None:
    """The operation behind a path's segments after ``/accounts``."""
    if method != "POST":
        return None
    if segments == ["api", "v2", "oauth2", "token"]:
        return "accounts.token", partial(token, accounts)
    if segments in (["api", "login"], ["login"]):
        return "accounts.login", partial(login, accounts)
    return None
