from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import AuthenticationError, ConfigurationError, InvalidArgumentError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.base import ObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.connections import Fields
from airflow_provider_objectstore.operators.anypoint import AnypointCreateStoreOperator, AnypointDeleteStoreOperator
from airflow_provider_objectstore.transport import Target

SECRET = "s3cr3t-Value/+"
PLACE = {"organization_id": "org", "environment_id": "env"}
Resolve = Callable[..., Target]


@pytest.fixture(params=["blocking", "async"])
def resolve(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[ObjectStoreHook, Any], Target]:
    """Resolves a hook's connection, given as a URI or as fields, as both clients do."""

    def carry_out(hook: ObjectStoreHook, connection: str | dict[str, Any]) -> Target:
        stored = connection if isinstance(connection, str) else json.dumps(connection)
        monkeypatch.setenv(f"AIRFLOW_CONN_{hook._conn_id.upper()}", stored)
        return hook._resolve() if request.param == "blocking" else asyncio.run(hook._resolve_async())

    return carry_out


@pytest.fixture
def anypoint(resolve: Resolve) -> Resolve:
    """Resolves an ``anypoint`` connection that is complete but for what a test changes."""

    def carry_out(hook: dict[str, Any] | None = None, **changes: Any) -> Target:
        extra = {**PLACE, **changes.pop("extra", {})}
        fields = {"conn_type": "anypoint", "login": "app", "password": SECRET, "extra": extra, **changes}
        return resolve(AnypointObjectStoreHook(**(hook or {})), fields)

    return carry_out


@pytest.fixture
def civo(resolve: Resolve) -> Resolve:
    """Resolves a ``civo`` connection that is complete but for what a test changes."""

    def carry_out(hook: dict[str, Any] | None = None, **changes: Any) -> Target:
        extra = {"region": "LON1", **changes.pop("extra", {})}
        fields = {"conn_type": "civo", "password": SECRET, "extra": extra, **changes}
        return resolve(CivoObjectStoreHook(**(hook or {})), fields)

    return carry_out


@pytest.fixture(params=["anypoint", "civo"])
def either(request: pytest.FixtureRequest, anypoint: Resolve, civo: Resolve) -> Resolve:
    """Resolves a connection of either kind."""
    return anypoint if request.param == "anypoint" else civo


def origin(target: Target) -> str:
    """Scheme, host and port of what is not about accounts."""
    (one,) = {url[: url.index("/", 8)] for name, url in target.roots.items() if name != "accounts"}
    return one


# Defaults, and what may be typed or text


def test_anypoint_defaults(anypoint: Resolve) -> None:
    target = anypoint()
    service = "https://object-store-us-east-1.anypoint.mulesoft.com"
    assert target.roots == {
        "organization": f"{service}/api/v1/organizations/org",
        "environment": f"{service}/api/v1/organizations/org/environments/env",
        "accounts": "https://anypoint.mulesoft.com/accounts/api",
    }
    assert (target.requests_per_second, target.timeout, target.verify, target.proxy) == (10, 30, True, None)


def test_civo_defaults(civo: Resolve) -> None:
    target = civo()
    assert target.roots == {"api": "https://api.civo.com/v2"}
    assert target.parameters == {"region": "LON1"}
    assert (target.bearer, target.token_call) == (SECRET, None)
    assert (target.requests_per_second, target.timeout, target.verify, target.proxy) == (10, 30, True, None)


@pytest.mark.parametrize("empty", ["", None, " "], ids=repr)
def test_fields_left_empty_in_the_form(either: Resolve, empty: str | None) -> None:
    names = (
        "requests_per_second",
        "timeout",
        "verify",
        "proxy",
        "control_plane",
        "auth",
        "accounts_url",
        "s3_endpoint",
    )
    if empty == " ":
        names = ("proxy", "accounts_url", "s3_endpoint")
    target = either(extra=dict.fromkeys(names, empty), host=empty and "", port=None)
    assert target.digest == either().digest


@pytest.mark.parametrize("value", [2.5, "2.5", " 2.5 "], ids=repr)
def test_numbers(either: Resolve, value: Any) -> None:
    target = either(extra={"requests_per_second": value, "timeout": value})
    assert (target.requests_per_second, target.timeout) == (2.5, 2.5)


@pytest.mark.parametrize("name", ["requests_per_second", "timeout"])
@pytest.mark.parametrize("value", [0, -1, "0", "fast", True, "nan", "inf", [1], "1,5"], ids=repr)
def test_numbers_that_cannot_be(either: Resolve, name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"extra {name} must be a positive number"):
        either(extra={name: value})


@pytest.mark.parametrize("value", [True, "true", "True", " TRUE "], ids=repr)
def test_verify_is_on(either: Resolve, value: Any) -> None:
    assert either(extra={"verify": value}).verify is True


@pytest.mark.parametrize("value", [False, "false", "False"], ids=repr)
def test_verify_is_off(either: Resolve, value: Any) -> None:
    assert either(extra={"verify": value}).verify is False


def test_verify_with_a_file(either: Resolve, tmp_path: Path) -> None:
    certificates = tmp_path / "ca.pem"
    certificates.write_text("")
    target = either(extra={"verify": str(certificates)})
    assert (target.verify, target.ca_file) == (str(certificates), str(certificates))


@pytest.mark.parametrize(
    "value", ["/no/such/file.pem", "yes", "/", 0, 1, "x" * 5000, "a\0b"], ids=lambda v: repr(v)[:20]
)
def test_verify_that_cannot_be(either: Resolve, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="extra verify must be true, false or an existing file"):
        either(extra={"verify": value})


def test_identifiers_of_digits(anypoint: Resolve) -> None:
    target = anypoint(extra={"organization_id": 123, "environment_id": 456})
    assert target.roots["environment"].endswith("/organizations/123/environments/456")


def test_identifiers_are_encoded(anypoint: Resolve) -> None:
    target = anypoint(extra={"organization_id": "a/b", "environment_id": "c?d"})
    assert target.roots["environment"].endswith("/organizations/a%2Fb/environments/c%3Fd")


# Addresses


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"host": "example.com"}, "https://example.com"),
        ({"host": " example.com "}, "https://example.com"),
        ({"host": "example.com:8443"}, "https://example.com:8443"),
        ({"host": "example.com", "port": 8443}, "https://example.com:8443"),
        ({"host": "https://example.com"}, "https://example.com"),
        ({"host": "https://example.com:8443/"}, "https://example.com:8443"),
        ({"host": "http://localhost", "port": 8089}, "http://localhost:8089"),
        ({"host": "http://localhost:8089"}, "http://localhost:8089"),
        ({"host": "http://localhost:8089", "port": 1}, "http://localhost:8089"),
        ({"host": "http://[::1]:8089"}, "http://[::1]:8089"),
        ({"host": "https://[::1]", "port": 8443}, "https://[::1]:8443"),
    ],
    ids=repr,
)
def test_host(either: Resolve, fields: dict[str, Any], expected: str) -> None:
    assert origin(either(**fields)) == expected


def test_host_with_a_path(civo: Resolve) -> None:
    assert civo(host="https://example.com/civo/").roots == {"api": "https://example.com/civo/v2"}


def test_host_is_where_tokens_come_from_too(anypoint: Resolve) -> None:
    assert anypoint(host="example.com").roots["accounts"] == "https://example.com/accounts/api"


def test_accounts_url(anypoint: Resolve) -> None:
    target = anypoint(extra={"accounts_url": "http://id.example.com:81/"})
    assert target.roots["accounts"] == "http://id.example.com:81/accounts/api"
    assert origin(target) == "https://object-store-us-east-1.anypoint.mulesoft.com"


def test_accounts_url_beside_host(anypoint: Resolve) -> None:
    target = anypoint(host="http://localhost:1", extra={"accounts_url": "id.example.com"})
    assert target.roots["accounts"] == "https://id.example.com/accounts/api", "http only where it says so"
    assert origin(target) == "http://localhost:1"


UNUSABLE = [
    "ftp://example.com",
    "https://",
    "https://user@example.com",
    "https://user:pw@example.com",
    "https://:pw@example.com",
    "https://example.com/?a=b",
    "http://[::1",
    "example.com:port",
    "example.com:99999",
]


@pytest.mark.parametrize("value", UNUSABLE)
@pytest.mark.parametrize("port", [None, 80])
def test_host_that_cannot_be(either: Resolve, value: str, port: int | None) -> None:
    with pytest.raises(ConfigurationError, match="host must be a host or an http") as caught:
        either(host=value, port=port)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("value", UNUSABLE)
def test_other_addresses_that_cannot_be(anypoint: Resolve, civo: Resolve, value: str) -> None:
    with pytest.raises(ConfigurationError, match="extra accounts_url must be"):
        anypoint(extra={"accounts_url": value})
    with pytest.raises(ConfigurationError, match="extra s3_endpoint must be"):
        civo(extra={"s3_endpoint": value})


@pytest.mark.parametrize("value", ["http://proxy:3128", "https://user:proxy-pw@proxy"])
def test_proxy(either: Resolve, value: str) -> None:
    target = either(extra={"proxy": value})
    assert target.proxy == value
    assert "proxy-pw" not in repr(target)
    assert ("proxy-pw" in target.secrets) == ("proxy-pw" in value)


def test_proxy_password_is_secret_in_both_forms(either: Resolve) -> None:
    assert {"p%40w", "p@w"} <= set(either(extra={"proxy": "http://u:p%40w@proxy"}).secrets)


@pytest.mark.parametrize("value", ["proxy:3128", "socks5://proxy", "http://", "http://u:hidden@[::1", "http://p:x"])
def test_proxy_that_cannot_be(either: Resolve, value: str) -> None:
    with pytest.raises(ConfigurationError, match="extra proxy must be") as caught:
        either(extra={"proxy": value})
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("control_plane", "region", "service", "accounts"),
    [
        ("us", "us-east-1", "object-store-us-east-1.anypoint.mulesoft.com", "anypoint.mulesoft.com"),
        ("US", "ap-southeast-2", "object-store-ap-southeast-2.anypoint.mulesoft.com", "anypoint.mulesoft.com"),
        ("eu1", "eu-central-1", "object-store-eu-central-1.eu1.anypoint.mulesoft.com", "eu1.anypoint.mulesoft.com"),
        ("gov", "us-gov-west-1", "object-store-us-gov-west-1.gov.anypoint.mulesoft.com", "gov.anypoint.mulesoft.com"),
    ],
)
def test_control_planes(anypoint: Resolve, control_plane: str, region: str, service: str, accounts: str) -> None:
    target = anypoint(extra={"control_plane": control_plane, "region": region})
    assert origin(target) == f"https://{service}"
    assert target.roots["accounts"] == f"https://{accounts}/accounts/api"


@pytest.mark.parametrize(("control_plane", "region"), [("us", "us-gov-west-1"), ("eu1", ""), ("gov", "eu-west-1")])
def test_region_of_another_control_plane(anypoint: Resolve, control_plane: str, region: str) -> None:
    with pytest.raises(ConfigurationError, match=f"unknown region .* of control plane '{control_plane}'; there are"):
        anypoint(extra={"control_plane": control_plane, "region": region})


class TestControlPlanes:
    """Whose addresses are meant, and where tokens come from."""

    @pytest.mark.parametrize("plane", ["ca1", "jp1", "CA1"])
    @pytest.mark.parametrize("host", [None, "{}.platform.mulesoft.com", "https://{}.platform.mulesoft.com/"])
    def test_without_a_documented_host_it_must_be_given(self, plane: str, host: str | None, anypoint: Resolve) -> None:
        with pytest.raises(ConfigurationError, match="in no public source: give it as the connection's host") as caught:
            anypoint(host=host and host.format(plane.lower()), extra={"control_plane": plane})
        assert f"Tokens come from {plane.lower()}.platform.mulesoft.com" in str(caught.value)

    @pytest.mark.parametrize("host", ["os.example.com", "https://os.example.com/api/v1", "object-store.mulesoft.com"])
    def test_tokens_come_from_the_control_plane_all_the_same(self, host: str, anypoint: Resolve) -> None:
        target = anypoint(host=host, extra={"control_plane": "jp1"})
        assert target.roots["accounts"] == "https://jp1.platform.mulesoft.com/accounts/api"
        name = host.removeprefix("https://").partition("/")[0]
        assert target.roots["organization"] == f"https://{name}/api/v1/organizations/org"

    def test_a_host_under_it_tells_the_control_plane(self, anypoint: Resolve) -> None:
        host = "object-store-ca-central-1.ca1.platform.mulesoft.com"
        target = anypoint({"region": "ca-central-1"}, host=host)
        assert origin(target) == f"https://{host}"
        assert target.roots["accounts"] == "https://ca1.platform.mulesoft.com/accounts/api"
        with pytest.raises(InvalidArgumentError, match="cannot take effect"):
            anypoint({"region": "ca-west-1"}, host=host)

    @pytest.mark.parametrize("path", ["", "/", "/api/v1", "/api/v1/"])
    @pytest.mark.parametrize("scheme", ["", "https://", "http://"])
    @pytest.mark.parametrize("port", [None, 443])
    @pytest.mark.parametrize(
        ("host", "accounts"),
        [
            ("object-store-us-west-2.anypoint.mulesoft.com", "anypoint.mulesoft.com"),
            ("object-store-eu-west-1.eu1.anypoint.mulesoft.com", "eu1.anypoint.mulesoft.com"),
            ("object-store-us-gov-west-1.gov.anypoint.mulesoft.com", "gov.anypoint.mulesoft.com"),
            ("object-store-xx-north-9.anypoint.mulesoft.com", "anypoint.mulesoft.com"),
        ],
    )
    def test_the_vendors_address_as_host(
        self, host: str, accounts: str, scheme: str, path: str, port: int | None, anypoint: Resolve
    ) -> None:
        assert anypoint(host=f"{scheme}{host}{path}", port=port).roots == {
            "organization": f"https://{host}/api/v1/organizations/org",
            "environment": f"https://{host}/api/v1/organizations/org/environments/env",
            "accounts": f"https://{accounts}/accounts/api",
        }

    def test_another_region_behind_the_vendors_address(self, anypoint: Resolve) -> None:
        target = anypoint({"region": "eu-central-1"}, host="object-store-eu-west-1.eu1.anypoint.mulesoft.com")
        assert origin(target) == "https://object-store-eu-central-1.eu1.anypoint.mulesoft.com"

    @pytest.mark.parametrize("host", ["https://eu1.anypoint.mulesoft.com", "eu1.anypoint.mulesoft.com/accounts"])
    def test_the_host_of_the_accounts_tells_the_control_plane(self, host: str, anypoint: Resolve) -> None:
        target = anypoint(host=host, extra={"region": "eu-west-1"})
        assert origin(target) == "https://object-store-eu-west-1.eu1.anypoint.mulesoft.com"
        assert target.roots["accounts"] == "https://eu1.anypoint.mulesoft.com/accounts/api"

    @pytest.mark.parametrize(
        ("host", "extra", "said"),
        [
            ("object-store-eu-west-1.eu1.anypoint.mulesoft.com", {"control_plane": "us"}, "of control plane 'eu1'"),
            ("object-store-eu-west-1.eu1.anypoint.mulesoft.com", {"region": "eu-central-1"}, "of region 'eu-west-1'"),
            ("object-store-eu-west-1.anypoint.mulesoft.com/api/v1/organizations/x", {}, "no path but /api/v1"),
            ("https://example.com/a/../b", {}, "'..' in its path"),
            ("https://example.com//a", {}, "'//'"),
            ("https://example.com/#a", {}, "host must be a host"),
        ],
    )
    def test_contradictions(self, host: str, extra: dict[str, Any], said: str, anypoint: Resolve) -> None:
        with pytest.raises(ConfigurationError, match=said):
            anypoint(host=host, extra=extra)

    def test_accounts_url_wins(self, anypoint: Resolve) -> None:
        for url in ("id.example.com", "https://id.example.com/accounts/api/"):
            target = anypoint(host="object-store-us-east-1.anypoint.mulesoft.com", extra={"accounts_url": url})
            assert target.roots["accounts"] == "https://id.example.com/accounts/api"

    @pytest.mark.parametrize("host", ["anypoint.mulesoft.com.example.com", "object-store-us-east-1.mulesoft.com.evil"])
    def test_a_host_that_only_looks_like_the_vendors(self, host: str, anypoint: Resolve) -> None:
        assert anypoint(host=host).roots["accounts"] == f"https://{host}/accounts/api"

    @pytest.mark.parametrize("plane", ["us", "eu1", "gov"])
    def test_a_region_that_is_not_listed(self, plane: str, anypoint: Resolve) -> None:
        target = anypoint({"region": "xx-north-9"}, extra={"control_plane": plane})
        assert origin(target).startswith("https://object-store-xx-north-9.")

    @pytest.mark.parametrize("region", ["mars-1", "us-east-1.evil.example/", "us-gov-west-1"])
    def test_what_is_no_region_there(self, region: str, anypoint: Resolve) -> None:
        with pytest.raises(InvalidArgumentError, match="unknown region"):
            anypoint({"region": region})
        with pytest.raises(ConfigurationError, match="unknown region"):
            anypoint(extra={"region": region})

    @pytest.mark.parametrize("host", ["api.civo.com", "http://api.civo.com/v2", "https://api.civo.com/v2/", ""])
    def test_civos_address_as_host(self, host: str, civo: Resolve) -> None:
        assert civo(host=host).roots == {"api": "https://api.civo.com/v2"}

    def test_civos_path_behind_another_host(self, civo: Resolve) -> None:
        assert civo(host="https://example.com/civo/v2").roots == {"api": "https://example.com/civo/v2"}
        assert civo(host="api.civo.com", port=8443).roots == {"api": "https://api.civo.com:8443/v2"}
        with pytest.raises(ConfigurationError, match="no path but /v2"):
            civo(host="https://api.civo.com/v1")


class TestArgumentsInsteadOfTheConnections:
    """Only None means the connection's."""

    @pytest.mark.parametrize("blank", ["", " ", "\t\n"], ids=repr)
    @pytest.mark.parametrize("name", ["region", "organization_id", "environment_id"])
    def test_blank(self, name: str, blank: str, anypoint: Resolve) -> None:
        with pytest.raises(InvalidArgumentError, match=f"{name} must not be empty"):
            anypoint({name: blank})

    @pytest.mark.parametrize("blank", ["", " "], ids=repr)
    def test_blank_region_of_civo(self, blank: str, civo: Resolve) -> None:
        with pytest.raises(InvalidArgumentError, match="region must not be empty"):
            civo({"region": blank})

    def test_blanks_around(self, anypoint: Resolve, civo: Resolve) -> None:
        target = anypoint({"region": " eu-west-1 ", "organization_id": " o", "environment_id": "e\n"})
        service = "https://object-store-eu-west-1.anypoint.mulesoft.com"
        assert target.roots["environment"] == f"{service}/api/v1/organizations/o/environments/e"
        assert civo({"region": " NYC1 "}).parameters == {"region": "NYC1"}

    @pytest.mark.parametrize("region", ["a.b", "evil.example/", "lon 1", "LON1/x"])
    def test_a_region_of_civo_is_checked(self, region: str, civo: Resolve) -> None:
        with pytest.raises(InvalidArgumentError, match="must be a region code"):
            civo({"region": region})
        with pytest.raises(ConfigurationError, match="must be a region code"):
            civo(extra={"region": region})

    @pytest.mark.parametrize("own", [None, "us-east-1", "mars-1"])
    def test_another_region_behind_a_host_of_ones_own(self, own: str | None, anypoint: Resolve) -> None:
        host = "http://localhost:8089"
        for same in (None, own or "us-east-1"):
            assert origin(anypoint({"region": same}, host=host, extra={"region": own})) == host
        for other in ("eu-west-1", "mars-2"):
            with pytest.raises(InvalidArgumentError, match=f"region '{other}' cannot take effect.*localhost:8089"):
                anypoint({"region": other}, host=host, extra={"region": own})

    def test_an_operator_that_asks_for_it(self, emulator: Emulator) -> None:
        AnypointCreateStoreOperator(task_id="t", store_id="s", region="us-east-1").execute({})  # type: ignore[typeddict-item]
        before = emulator.requests()["total"]
        with pytest.raises(InvalidArgumentError, match="cannot take effect"):
            AnypointDeleteStoreOperator(task_id="t", store_id="s", region="eu-west-1").execute({})  # type: ignore[typeddict-item]
        assert emulator.requests()["total"] == before


@pytest.mark.parametrize(("name", "value"), [("control_plane", "mars"), ("auth", "kerberos")])
def test_unknown_choices(anypoint: Resolve, name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"extra {name} must be one of .*, not '{value}'"):
        anypoint(extra={name: value})


def test_arguments_win_over_the_connection(anypoint: Resolve, civo: Resolve) -> None:
    mine = {"region": "eu-west-1", "organization_id": "o", "environment_id": "e"}
    service = "https://object-store-eu-west-1.anypoint.mulesoft.com"
    assert anypoint(mine).roots["environment"] == f"{service}/api/v1/organizations/o/environments/e"
    assert civo({"region": "NYC1"}).parameters == {"region": "NYC1"}


# Ways to a token


@pytest.mark.parametrize("auth", [None, "connected_app", "Connected_App"])
def test_connected_app(anypoint: Resolve, auth: str | None) -> None:
    target = anypoint(extra={"auth": auth})
    assert target.bearer is None
    assert target.token_call is not None
    assert target.token_call.path == "/v2/oauth2/token"
    assert target.token_call.body == {
        "client_id": "app",
        "client_secret": SECRET,
        "grant_type": "client_credentials",
    }


def test_user(anypoint: Resolve) -> None:
    target = anypoint(extra={"auth": "user"})
    assert target.bearer is None
    assert target.token_call is not None
    assert (target.token_call.path, target.token_call.body) == ("/login", {"username": "app", "password": SECRET})


def test_bearer(anypoint: Resolve) -> None:
    target = anypoint(extra={"auth": "bearer"}, login=None)
    assert (target.bearer, target.token_call) == (SECRET, None)


@pytest.mark.parametrize(
    ("auth", "login", "works"),
    [
        ("connected_app", "emulator-client", True),
        ("user", "emulator-user", True),
        ("user", "emulator-mfa", False),
        ("user", "emulator-client", False),
        ("connected_app", "emulator-user", False),
    ],
)
def test_ways_to_a_token_over_the_wire(
    auth: str, login: str, works: bool, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = emulator.connections()["anypoint_default"]
    stored = {**connection, "login": login, "extra": {**connection["extra"], "auth": auth}}
    monkeypatch.setenv("AIRFLOW_CONN_ANYPOINT_DEFAULT", json.dumps(stored))
    hook = AnypointObjectStoreHook()
    if works:
        assert list(hook.list_stores()) == []
    else:
        with pytest.raises(AuthenticationError):
            list(hook.list_stores())


# Problems


def test_all_problems_of_anypoint_at_once(resolve: Resolve) -> None:
    extra = {
        "control_plane": "mars",
        "auth": "user",
        "requests_per_second": "fast",
        "timeout": -1,
        "verify": "/no/file",
        "proxy": "proxy",
        "accounts_url": "ftp://x",
    }
    connection = {"conn_type": "anypoint", "host": "ftp://y", "extra": extra}
    with pytest.raises(ConfigurationError) as caught:
        resolve(AnypointObjectStoreHook("somewhere"), connection)
    said = str(caught.value)
    assert said.startswith("connection 'somewhere' cannot be used: ")
    assert [problem.split()[:2] for problem in said.partition(": ")[2].split("; ")] == [
        ["login", "(the"],
        ["password", "is"],
        ["extra", "organization_id"],
        ["extra", "environment_id"],
        ["extra", "control_plane"],
        ["host", "must"],
        ["extra", "accounts_url"],
        ["extra", "verify"],
        ["extra", "proxy"],
        ["extra", "requests_per_second"],
        ["extra", "timeout"],
    ]


def test_all_problems_of_civo_at_once(resolve: Resolve) -> None:
    connection = {"conn_type": "civo", "extra": {"s3_endpoint": "ftp://x", "timeout": "0", "verify": "maybe"}}
    with pytest.raises(ConfigurationError) as caught:
        resolve(CivoObjectStoreHook("somewhere"), connection)
    for problem in ("password (the API key) is missing", "extra region is missing", "s3_endpoint", "timeout", "verify"):
        assert problem in str(caught.value)


def test_problems_are_told_by_test_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CIVO_DEFAULT", "{}")
    works, said = CivoObjectStoreHook().test_connection()
    assert not works
    assert "password (the API key) is missing" in said


def test_missing_names_depend_on_the_way_to_a_token(anypoint: Resolve) -> None:
    said = {}
    for auth in ("connected_app", "user", "bearer"):
        with pytest.raises(ConfigurationError) as caught:
            anypoint(login=None, password=None, extra={"auth": auth})
        said[auth] = str(caught.value).partition(": ")[2]
    assert said == {
        "connected_app": "login (the client id) is missing; password (the client secret) is missing",
        "user": "login (the user name) is missing; password is missing",
        "bearer": "password (the bearer token) is missing",
    }


@pytest.mark.parametrize("broken", [f"{SECRET}\n", f"\r{SECRET}", f"{SECRET}\u00e9"], ids=repr)
def test_passwords_that_cannot_be_sent(either: Resolve, broken: str) -> None:
    with pytest.raises(ConfigurationError, match="may have been pasted with a line end") as caught:
        either(password=broken)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("value", [f" {SECRET}", f"{SECRET} ", f"a {SECRET}"], ids=repr)
def test_keys_that_no_header_can_carry(anypoint: Resolve, civo: Resolve, value: str) -> None:
    for resolve_it in (lambda: anypoint(password=value, extra={"auth": "bearer"}), lambda: civo(password=value)):
        with pytest.raises(ConfigurationError, match="holds a space, which cannot be sent") as caught:
            resolve_it()
        assert SECRET not in str(caught.value)
    assert anypoint(password=value).secrets[0] == value, "a client secret goes into a body"


def test_secrets_stay_out_of_representations(either: Resolve) -> None:
    target = either(extra={"proxy": "http://user:proxy-pw@proxy"})
    assert {SECRET, "proxy-pw"} <= set(target.secrets)
    shown = f"{target!r} {target} {target.token_call!r} {target.digest}"
    assert SECRET not in shown
    assert "proxy-pw" not in shown


def test_secrets_stay_out_of_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_X", json.dumps({"conn_type": "civo", "password": SECRET, "extra": {"a": SECRET}}))
    connection = CivoObjectStoreHook("x").get_connection("x")
    assert SECRET not in repr(Fields(connection, connection.extra_dejson))


def test_every_change_makes_another_target(either: Resolve) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"password": "other"},
        {"host": "example.com"},
        {"extra": {"timeout": 31}},
        {"extra": {"requests_per_second": 11}},
        {"extra": {"verify": False}},
        {"extra": {"proxy": "http://proxy"}},
        {"extra": {"region": "eu-west-1"}},
    ]
    digests = [either(**change).digest for change in changes]
    assert len(set(digests)) == len(changes)
    assert either().digest == digests[0]


# Connection URIs


def uri(conn_type: str, address: str, extra: dict[str, Any], *, as_json: bool) -> str:
    """A connection URI whose extra is either a query or one JSON value."""
    query = urlencode({"__extra__": json.dumps(extra)} if as_json else extra)
    scheme, _, host = address.rpartition("://")
    prefix = f"{conn_type}://{scheme}://" if scheme else f"{conn_type}://"
    return f"{prefix}app:{quote(SECRET, safe='')}@{host}/?{query}"


@pytest.mark.parametrize("as_json", [False, True], ids=["query", "json"])
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("localhost:8089", "https://localhost:8089"),
        ("http://localhost:8089", "http://localhost:8089"),
        ("https://example.com", "https://example.com"),
        ("http%3A%2F%2Flocalhost%3A8089", "http://localhost:8089"),
        ("http%3A%2F%2Flocalhost:8089", "http://localhost:8089"),
        ("https%3A%2F%2Fexample.com%2F", "https://example.com"),
    ],
)
def test_uri(resolve: Resolve, address: str, expected: str, as_json: bool) -> None:
    carriage = {"requests_per_second": 5, "timeout": 1.5, "verify": "false"}
    anypoint = resolve(AnypointObjectStoreHook(), uri("anypoint", address, {**PLACE, **carriage}, as_json=as_json))
    civo = resolve(CivoObjectStoreHook(), uri("civo", address, {"region": "LON1", **carriage}, as_json=as_json))
    for target in (anypoint, civo):
        assert origin(target) == expected
        assert SECRET in target.secrets
        assert (target.requests_per_second, target.timeout, target.verify) == (5, 1.5, False)
    assert anypoint.roots["environment"].endswith("/organizations/org/environments/env")


def test_uri_without_host(resolve: Resolve) -> None:
    target = resolve(CivoObjectStoreHook(), f"civo://:{quote(SECRET, safe='')}@/?region=LON1")
    assert (origin(target), target.bearer) == ("https://api.civo.com", SECRET)


@pytest.mark.parametrize("found", ["civo", "anypoint", "aws", "http"])
def test_a_connection_of_another_type_is_not_used(
    found: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {**emulator.connections()["civo_default"], "conn_type": found, "login": "someone"}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(other))
    for hook, own in ((AnypointObjectStoreHook("other"), "anypoint"), (CivoObjectStoreHook("other"), "civo")):
        if own != found:
            worked, said = hook.test_connection()
            assert not worked
            assert said.startswith(f"connection 'other' is of type '{found}', not '{own}'")
    assert emulator.requests()["total"] <= (found == "civo")
