"""Where a connection leads: hosts, control planes, regions, proxies."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_objectstore.api.anypoint import list_used_environments
from airflow_provider_objectstore.exceptions import ConfigurationError, InvalidArgumentError
from tests.hooks.connections import Resolve, origin


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
    assert civo(host="https://example.com/civo/").base_urls == {"api": "https://example.com/civo/v2"}


def test_host_is_where_tokens_come_from_too(anypoint: Resolve) -> None:
    assert anypoint(host="example.com").base_urls["accounts"] == "https://example.com/accounts/api"


def test_accounts_url(anypoint: Resolve) -> None:
    resolved = anypoint(extra={"accounts_url": "http://id.example.com:81/"})
    assert resolved.base_urls["accounts"] == "http://id.example.com:81/accounts/api"
    assert origin(resolved) == "https://object-store-us-east-1.anypoint.mulesoft.com"


def test_accounts_url_beside_host(anypoint: Resolve) -> None:
    resolved = anypoint(host="http://localhost:1", extra={"accounts_url": "id.example.com"})
    assert resolved.base_urls["accounts"] == "https://id.example.com/accounts/api", "http only where it says so"
    assert origin(resolved) == "http://localhost:1"


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
    resolved = either(extra={"proxy": value})
    assert resolved.proxy == value
    assert "proxy-pw" not in repr(resolved)
    assert ("proxy-pw" in resolved.secrets) == ("proxy-pw" in value)


def test_proxy_password_is_secret_in_both_forms(either: Resolve) -> None:
    assert {"p%40w", "p@w"} <= set(either(extra={"proxy": "http://u:p%40w@proxy"}).secrets)


@pytest.mark.parametrize(
    "value",
    [
        *("proxy:3128", "socks5://proxy", "http://", "http://u:hidden@[::1", "http://p:x"),
        *("http://user:12/hidden@proxy:3128", "http://user:12?hidden@proxy:3128", "http://user:12#hidden@proxy:3128"),
    ],
)
def test_proxy_that_cannot_be(either: Resolve, value: str) -> None:
    with pytest.raises(ConfigurationError, match="extra proxy must be") as caught:
        either(extra={"proxy": value})
    assert not [part for part in ("hidden", "user:12") if part in str(caught.value)]


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
    resolved = anypoint(extra={"control_plane": control_plane, "region": region})
    assert origin(resolved) == f"https://{service}"
    assert resolved.base_urls["accounts"] == f"https://{accounts}/accounts/api"


@pytest.mark.parametrize(("control_plane", "region"), [("us", "us-gov-west-1"), ("gov", "eu-west-1")])
def test_region_of_another_control_plane(anypoint: Resolve, control_plane: str, region: str) -> None:
    with pytest.raises(ConfigurationError, match=f"unknown region .* of control plane '{control_plane}'; there are"):
        anypoint(extra={"control_plane": control_plane, "region": region})


def test_a_control_plane_without_a_default_region(anypoint: Resolve) -> None:
    with pytest.raises(ConfigurationError) as caught:
        anypoint(extra={"control_plane": "eu1"})
    assert "extra region is missing, and control plane 'eu1' has no default: give one of eu-central-1, " in str(
        caught.value
    )


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
        resolved = anypoint(host=host, extra={"control_plane": "jp1"})
        assert resolved.base_urls["accounts"] == "https://jp1.platform.mulesoft.com/accounts/api"
        name = host.removeprefix("https://").partition("/")[0]
        assert resolved.base_urls["organization"] == f"https://{name}/api/v1/organizations/org"

    def test_a_host_under_it_tells_the_control_plane(self, anypoint: Resolve) -> None:
        host = "object-store-ca-central-1.ca1.platform.mulesoft.com"
        resolved = anypoint({"region": "ca-central-1"}, host=host)
        assert origin(resolved) == f"https://{host}"
        assert resolved.base_urls["accounts"] == "https://ca1.platform.mulesoft.com/accounts/api"
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
        resolved = anypoint(host=f"{scheme}{host}{path}", port=port)
        assert {name: url for name, url in resolved.base_urls.items() if name != "statistics"} == {
            "organization": f"https://{host}/api/v1/organizations/org",
            "environment": f"https://{host}/api/v1/organizations/org/environments/env",
            "accounts": f"https://{accounts}/accounts/api",
        }

    def test_another_region_behind_the_vendors_address(self, anypoint: Resolve) -> None:
        resolved = anypoint({"region": "eu-central-1"}, host="object-store-eu-west-1.eu1.anypoint.mulesoft.com")
        assert origin(resolved) == "https://object-store-eu-central-1.eu1.anypoint.mulesoft.com"

    @pytest.mark.parametrize("host", ["https://eu1.anypoint.mulesoft.com", "eu1.anypoint.mulesoft.com/accounts"])
    def test_the_host_of_the_accounts_tells_the_control_plane(self, host: str, anypoint: Resolve) -> None:
        resolved = anypoint(host=host, extra={"region": "eu-west-1"})
        assert origin(resolved) == "https://object-store-eu-west-1.eu1.anypoint.mulesoft.com"
        assert resolved.base_urls["accounts"] == "https://eu1.anypoint.mulesoft.com/accounts/api"

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
            resolved = anypoint(host="object-store-us-east-1.anypoint.mulesoft.com", extra={"accounts_url": url})
            assert resolved.base_urls["accounts"] == "https://id.example.com/accounts/api"

    @pytest.mark.parametrize("host", ["anypoint.mulesoft.com.example.com", "object-store-us-east-1.mulesoft.com.evil"])
    def test_a_host_that_only_looks_like_the_vendors(self, host: str, anypoint: Resolve) -> None:
        assert anypoint(host=host).base_urls["accounts"] == f"https://{host}/accounts/api"

    @pytest.mark.parametrize("plane", ["us", "eu1", "gov"])
    def test_a_region_that_is_not_listed(self, plane: str, anypoint: Resolve) -> None:
        resolved = anypoint({"region": "xx-north-9"}, extra={"control_plane": plane})
        assert origin(resolved).startswith("https://object-store-xx-north-9.")

    @pytest.mark.parametrize("region", ["mars-1", "us-east-1.evil.example/", "us-gov-west-1"])
    def test_what_is_no_region_there(self, region: str, anypoint: Resolve) -> None:
        with pytest.raises(InvalidArgumentError, match="unknown region"):
            anypoint({"region": region})
        with pytest.raises(ConfigurationError, match="unknown region"):
            anypoint(extra={"region": region})

    @pytest.mark.parametrize("host", ["api.civo.com", "http://api.civo.com/v2", "https://api.civo.com/v2/", ""])
    def test_civos_address_as_host(self, host: str, civo: Resolve) -> None:
        assert civo(host=host).base_urls == {"api": "https://api.civo.com/v2"}

    def test_civos_path_behind_another_host(self, civo: Resolve) -> None:
        assert civo(host="https://example.com/civo/v2").base_urls == {"api": "https://example.com/civo/v2"}
        assert civo(host="api.civo.com", port=8443).base_urls == {"api": "https://api.civo.com:8443/v2"}
        with pytest.raises(ConfigurationError, match="no path but /v2"):
            civo(host="https://api.civo.com/v1")


class TestStatistics:
    """Where the Statistics API is."""

    @pytest.mark.parametrize(
        ("fields", "address"),
        [
            ({}, "https://object-store-stats.anypoint.mulesoft.com"),
            (
                {"host": "object-store-eu-west-1.anypoint.mulesoft.com"},
                "https://object-store-stats.anypoint.mulesoft.com",
            ),
            ({"host": "http://localhost:8090"}, "http://localhost:8090"),
            ({"extra": {"statistics_url": "stats.example.com/api/v1"}}, "https://stats.example.com"),
            (
                {"extra": {"control_plane": "eu1", "region": "eu-west-1", "statistics_url": "https://stats.eu"}},
                "https://stats.eu",
            ),
        ],
    )
    def test_address(self, fields: dict[str, Any], address: str, anypoint: Resolve) -> None:
        assert anypoint(**fields).base_urls["statistics"] == f"{address}/api/v1/organizations/org"

    @pytest.mark.parametrize("plane", ["eu1", "gov"])
    def test_an_unknown_address_is_an_error_before_the_first_request(self, plane: str, anypoint: Resolve) -> None:
        region = {"eu1": "eu-west-1", "gov": "us-gov-west-1"}[plane]
        resolved = anypoint(extra={"control_plane": plane, "region": region})
        call = list_used_environments("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z")
        with pytest.raises(ConfigurationError, match=r"no address for statistics.*extra as statistics_url"):
            resolved.request(call, "GET", None)
