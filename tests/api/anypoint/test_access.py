"""Anypoint's addresses and the vendor's hosts."""

from __future__ import annotations

import pytest

from airflow_provider_objectstore.api.anypoint import access as anypoint_access
from airflow_provider_objectstore.api.anypoint.access import VendorHost, vendor_host
from airflow_provider_objectstore.exceptions import InvalidArgumentError


@pytest.mark.parametrize(
    ("control_plane", "region", "said"),
    [("mars", "us-east-1", "there are us, eu1, gov"), ("eu1", "us-east-1", "there are eu-central-1, eu-west-1")],
)
def test_addresses_that_do_not_exist(control_plane: str, region: str, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        anypoint_access.default_url(control_plane, region)


@pytest.mark.parametrize(
    ("control_plane", "region", "host"),
    [
        ("us", "ap-southeast-2", "object-store-ap-southeast-2.anypoint.mulesoft.com"),
        ("eu1", "eu-west-1", "object-store-eu-west-1.eu1.anypoint.mulesoft.com"),
        ("gov", "us-gov-west-1", "object-store-us-gov-west-1.gov.anypoint.mulesoft.com"),
    ],
)
def test_default_urls(control_plane: str, region: str, host: str) -> None:
    assert anypoint_access.default_url(control_plane, region) == f"https://{host}"


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("object-store-us-east-1.anypoint.mulesoft.com", VendorHost("us", "us-east-1")),
        ("OBJECT-STORE-eu-west-1.EU1.anypoint.mulesoft.com.", VendorHost("eu1", "eu-west-1")),
        ("object-store-us-gov-west-1.gov.anypoint.mulesoft.com", VendorHost("gov", "us-gov-west-1")),
        ("object-store-eu-north-1.anypoint.mulesoft.com", VendorHost("us", "eu-north-1")),
        ("anypoint.mulesoft.com", VendorHost("us", accounts=True)),
        ("ca1.platform.mulesoft.com", VendorHost("ca1", accounts=True)),
        ("object-store-ca-central-1.ca1.platform.mulesoft.com", VendorHost("ca1")),
        ("object-store-stats.anypoint.mulesoft.com", VendorHost("us")),
        ("elsewhere.mulesoft.com", VendorHost(None)),
        ("mulesoft.com.example.com", None),
        ("object-store-us-east-1.anypoint.mulesoft.com.example.com", None),
        ("evil-mulesoft.com", None),
        ("localhost", None),
    ],
)
def test_hosts_of_the_vendor(host: str, said: VendorHost | None) -> None:
    assert vendor_host(host) == said


@pytest.mark.parametrize("region", ["eu-north-1", "us-iso-east-1", "me-central-12"])
def test_a_region_that_is_not_listed(region: str) -> None:
    assert anypoint_access.default_url("us", region) == f"https://object-store-{region}.anypoint.mulesoft.com"


@pytest.mark.parametrize(
    "region",
    ["mars-1", "us-east", "US-EAST-1", "us-east-1/", "us-east-1.evil", "a" * 60 + "-b-1", "us-\u0435ast-1"],
)
def test_what_is_no_region(region: str) -> None:
    with pytest.raises(InvalidArgumentError, match="unknown region"):
        anypoint_access.default_url("us", region)


@pytest.mark.parametrize("plane", ["ca1", "jp1"])
def test_control_planes_without_a_documented_host(plane: str) -> None:
    with pytest.raises(InvalidArgumentError, match="in no public source: give it as the connection's host"):
        anypoint_access.default_url(plane, "ca-central-1")
    assert anypoint_access.default_accounts_url(plane) == f"https://{plane}.platform.mulesoft.com"


def test_an_unknown_control_plane() -> None:
    with pytest.raises(InvalidArgumentError, match="there are us, eu1, gov, ca1, jp1"):
        anypoint_access.default_url("mars", "us-east-1")
