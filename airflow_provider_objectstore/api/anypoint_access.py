"""Anypoint's addresses by control plane and region, and its three ways to a token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_objectstore.api.anypoint_model import failure_with
from airflow_provider_objectstore.api.call import Call, Reply, segment
from airflow_provider_objectstore.exceptions import AuthenticationError, InvalidArgumentError

ENVIRONMENT = "environment"
ORGANIZATION = "organization"
ACCOUNTS = "accounts"

REGIONS: Mapping[str, tuple[str, ...]] = {
    "us": (
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
        "ca-central-1",
        "sa-east-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-northeast-1",
        "eu-central-1",
        "eu-west-1",
        "eu-west-2",
    ),
    "eu1": ("eu-central-1", "eu-west-1"),
    "gov": ("us-gov-west-1",),
}
"""Regions by control plane."""

_DOMAINS = {
    "us": "anypoint.mulesoft.com",
    "eu1": "eu1.anypoint.mulesoft.com",
    "gov": "gov.anypoint.mulesoft.com",
}


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and how many seconds it is good for."""

    value: str = field(repr=False)
    expires_in: float


def default_url(control_plane: str, region: str) -> str:
    """
    Return the service's address in a region.

    :raises InvalidArgumentError: naming the regions or control planes there are.
    """
    known = REGIONS.get(control_plane)
    if known is None:
        raise InvalidArgumentError(f"unknown control plane {control_plane!r}; there are {', '.join(REGIONS)}")
    if region not in known:
        raise InvalidArgumentError(
            f"unknown region {region!r} of control plane {control_plane!r}; there are {', '.join(known)}"
        )
    return f"https://object-store-{region}.{_DOMAINS[control_plane]}"


def default_accounts_url(control_plane: str) -> str:
    """Return the address that gives tokens."""
    return f"https://{_DOMAINS[control_plane]}"


def roots(url: str, accounts_url: str, organization_id: str, environment_id: str) -> dict[str, str]:
    """Return the base addresses that this module's calls are under."""
    organization = f"{url}/api/v1/organizations/{segment('organization id', organization_id)}"
    return {
        ORGANIZATION: organization,
        ENVIRONMENT: f"{organization}/environments/{segment('environment id', environment_id)}",
        ACCOUNTS: f"{accounts_url}/accounts/api",
    }


def connected_app_token(client_id: str, client_secret: str) -> Call[Token]:
    """Fetch a connected app's token; `POST /v2/oauth2/token`."""
    body = {"client_id": client_id, "client_secret": client_secret, "grant_type": "client_credentials"}
    return _token("token", f"connected app {client_id}", "/v2/oauth2/token", body)


def user_token(username: str, password: str) -> Call[Token]:
    """Fetch a user's token; `POST /login`."""
    return _token("login", f"user {username}", "/login", {"username": username, "password": password})


def _token(operation: str, subject: str, path: str, body: Mapping[str, Any]) -> Call[Token]:
    def read(reply: Reply) -> Token:
        answer = reply.json()
        if not answer.get("access_token"):
            raise AuthenticationError(
                f"accounts.{operation} ({subject}): the service answered {reply.status} without a token. A user "
                "with multi-factor or single sign-on cannot log in this way: use a connected app",
                status=reply.status,
            )
        return Token(str(answer["access_token"]), float(answer.get("expires_in") or 3600))

    return Call(
        operation=f"accounts.{operation}",
        subject=subject,
        method="POST",
        path=path,
        read=read,
        failure=failure_with("Check the connection's login and password, and its control plane"),
        root=ACCOUNTS,
        body=body,
        authorized=False,
    )
