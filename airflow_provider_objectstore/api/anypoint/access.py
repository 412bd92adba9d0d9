"""Anypoint's addresses by control plane and region, and the calls that fetch tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_objectstore.api.anypoint.models import failure_with
from airflow_provider_objectstore.api.call import Call, Response, Token, fits_header
from airflow_provider_objectstore.api.encoding import segment
from airflow_provider_objectstore.exceptions import AuthenticationError, InvalidArgumentError

ENVIRONMENT = "environment"
ORGANIZATION = "organization"
ACCOUNTS = "accounts"
STATISTICS = "statistics"

ASSUMED_LIFETIME = 3600.0
"""Lifetime of a token, in seconds, if the service does not return a usable one."""

_ACCOUNTS: Mapping[str, str] = {
    "us": "anypoint.mulesoft.com",
    "eu1": "eu1.anypoint.mulesoft.com",
    "gov": "gov.anypoint.mulesoft.com",
    "ca1": "ca1.platform.mulesoft.com",
    "jp1": "jp1.platform.mulesoft.com",
}
"""The host that issues tokens, by control plane."""

CONTROL_PLANES = tuple(_ACCOUNTS)
DEFAULT_CONTROL_PLANE = "us"
DEFAULT_REGION = "us-east-1"

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
"""The documented regions of the control planes whose object-store hosts are documented."""

_DEFAULT_REGIONS = {"us": DEFAULT_REGION, "gov": "us-gov-west-1", "ca1": "ca-central-1", "jp1": "ap-northeast-1"}

_REGION = re.compile(r"[a-z]+(-[a-z]+){1,3}-[0-9]{1,2}")
_MAX_REGION_LENGTH = 63 - len("object-store-")  # a part of a host name has at most 63
_SERVICE_HOST = re.compile(r"object-store-([a-z0-9-]+)\.(.+)")


@dataclass(frozen=True, slots=True)
class VendorHost:
    """
    What the name of one of the vendor's hosts tells.

    :param control_plane: its control plane; None if that is not known.
    :param region: the region whose object stores it serves; None if it is not the documented host of a region.
    :param accounts: whether it is the host that issues tokens, which serves no object stores.
    """

    control_plane: str | None
    region: str | None = None
    accounts: bool = False

    @property
    def documented(self) -> bool:
        """Whether it is a documented host, so that the hosts of other regions are known, too."""
        return self.accounts or self.region is not None


def vendor_host(host: str) -> VendorHost | None:
    """Read a host name; None if it is not the vendor's."""
    host = host.lower().removesuffix(".")
    if not host.endswith(".mulesoft.com"):
        return None
    planes = [plane for plane, domain in _ACCOUNTS.items() if host == domain or host.endswith(f".{domain}")]
    plane = max(planes, key=lambda name: len(_ACCOUNTS[name]), default="")
    match = _SERVICE_HOST.fullmatch(host)
    if match and plane in REGIONS and match[2] == _ACCOUNTS[plane] and _REGION.fullmatch(match[1]):
        return VendorHost(plane, region=match[1])
    return VendorHost(plane or None, accounts=host in _ACCOUNTS.values())


def default_region(control_plane: str) -> str | None:
    """Return the region to use if none is given; None if it has to be given."""
    return _DEFAULT_REGIONS.get(control_plane)


def default_url(control_plane: str, region: str) -> str:
    """
    Return the service's address in a region. A region that is not in :data:`REGIONS` is accepted if it looks like one.

    :raises InvalidArgumentError: if there is no such region or control plane, or its host is not known.
    """
    if control_plane not in _ACCOUNTS:
        raise InvalidArgumentError(f"unknown control plane {control_plane!r}; there are {', '.join(CONTROL_PLANES)}")
    known = REGIONS.get(control_plane)
    if known is None:
        raise InvalidArgumentError(
            f"the object-store host of control plane {control_plane!r} is in no public source: give it as the "
            f"connection's host. Tokens come from {_ACCOUNTS[control_plane]} all the same"
        )
    if not region:
        raise InvalidArgumentError(
            f"extra region is missing, and control plane {control_plane!r} has no default: give one of "
            f"{', '.join(known)}"
        )
    elsewhere = any(region in regions for regions in REGIONS.values())
    looks_right = _REGION.fullmatch(region) and len(region) <= _MAX_REGION_LENGTH
    if region not in known and (elsewhere or not looks_right):
        raise InvalidArgumentError(
            f"unknown region {region!r} of control plane {control_plane!r}; there are {', '.join(known)}, and one that "
            "is new is written like them"
        )
    return f"https://object-store-{region}.{_ACCOUNTS[control_plane]}"


def default_accounts_url(control_plane: str) -> str:
    """Return the address that issues tokens."""
    return f"https://{_ACCOUNTS[control_plane]}"


def default_statistics_url(control_plane: str) -> str | None:
    """Return the address of the Statistics API; None where the vendor documents none."""
    return f"https://object-store-stats.{_ACCOUNTS[control_plane]}" if control_plane == "us" else None


def base_urls(
    url: str, accounts_url: str, organization_id: str, environment_id: str, statistics_url: str | None = None
) -> dict[str, str]:
    """Return the base URLs of the calls of Object Store v2, by name. The statistics' is missing if it is not known."""
    organizations = f"/api/v1/organizations/{segment('organization id', organization_id)}"
    return {
        ORGANIZATION: f"{url}{organizations}",
        ENVIRONMENT: f"{url}{organizations}/environments/{segment('environment id', environment_id)}",
        ACCOUNTS: f"{accounts_url}/accounts/api",
        **({STATISTICS: f"{statistics_url}{organizations}"} if statistics_url else {}),
    }


def connected_app_token(client_id: str, client_secret: str) -> Call[Token]:
    """Fetch a connected app's token; `POST /v2/oauth2/token`."""
    body = {"client_id": client_id, "client_secret": client_secret, "grant_type": "client_credentials"}
    return _token("token", f"connected app {client_id}", "/v2/oauth2/token", body)


def user_token(username: str, password: str) -> Call[Token]:
    """Fetch a user's token; `POST /login`."""
    return _token("login", f"user {username}", "/login", {"username": username, "password": password})


def _token(operation: str, subject: str, path: str, body: Mapping[str, Any]) -> Call[Token]:
    def read(response: Response) -> Token:
        body = response.json()
        value = body.get("access_token")
        if not value:
            raise AuthenticationError(
                f"accounts.{operation} ({subject}): the service answered {response.status} without a token. A user "
                "with multi-factor or single sign-on cannot log in this way: use a connected app",
                status=response.status,
            )
        if not isinstance(value, str) or not fits_header(value):
            raise AuthenticationError(
                f"accounts.{operation} ({subject}): the service answered {response.status} with a token that no HTTP "
                "header can carry; it is not shown. Check where the connection gets its tokens (accounts_url, host)",
                status=response.status,
            )
        return Token(value, _lifetime(body.get("expires_in")))

    return Call(
        operation=f"accounts.{operation}",
        subject=subject,
        method="POST",
        path=path,
        read=read,
        failure=failure_with("Check the connection's login and password, control plane, host and accounts_url"),
        base_url=ACCOUNTS,
        body=body,
        authorized=False,
    )


def _lifetime(expires_in: Any) -> float:
    try:
        seconds = 0.0 if isinstance(expires_in, bool) else float(expires_in)
    except (TypeError, ValueError, OverflowError):
        seconds = 0.0
    return seconds if 0 < seconds < float("inf") else ASSUMED_LIFETIME
