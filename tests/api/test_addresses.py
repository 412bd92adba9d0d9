"""What may be an address, or a part of one, whoever gives it: a connection, a service, the environment."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_objectstore.api import anypoint_access
from airflow_provider_objectstore.api.addresses import is_label, web_address
from airflow_provider_objectstore.api.anypoint_access import VendorHost, vendor_host
from airflow_provider_objectstore.api.civo_model import read_store, s3_endpoint
from airflow_provider_objectstore.exceptions import InvalidArgumentError, ServerError

USABLE = [
    "https://example.com",
    "http://localhost:8089/a/b",
    "https://my_service.local./",
    "http://127.0.0.1:1",
    "http://[::1]:8089",
    "https://user:p%40w@proxy:3128",
]
UNUSABLE = [
    "",
    "example.com",
    "ftp://example.com",
    "https://",
    "https:///path",
    "https://[oops",
    "https://[::1",
    "https://[zz::1]",
    "https://a..b",
    "https://.example.com",
    f"https://{'a' * 64}.com",
    f"https://{'a.' * 150}com",
    "https://example.com:",
    "https://example.com:0",
    "https://example.com:99999",
    "https://example.com:port",
    "https://ex ample.com",
    "https://exa\nmple.com",
    "https://example.com\t",
    "https://ex\u00e4mple.com",
    "https://example.com\\@evil.example",
    "https://example.com\u202e",
    "https://ex%61mple.com",
]


@pytest.mark.parametrize("text", USABLE)
def test_addresses(text: str) -> None:
    assert web_address(text) == urlsplit(text)


@pytest.mark.parametrize("text", UNUSABLE)
def test_what_is_no_address(text: str) -> None:
    assert web_address(text) is None


@given(st.text())
def test_any_text_is_an_address_or_not(text: str) -> None:
    for whole in (text, f"https://{text}", f"http://{text}/"):
        parts = web_address(whole)
        assert parts is None or (parts.hostname and parts.hostname.encode("idna") and parts.port != 0)


@pytest.mark.parametrize(("text", "fits"), [("LON1", True), ("a-b", True), ("", False), ("-a", False), ("a.b", False)])
def test_labels(text: str, fits: bool) -> None:
    assert is_label(text) is fits


# The vendor's hosts


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
    ["", "mars-1", "us-east", "US-EAST-1", "us-east-1/", "us-east-1.evil", "a" * 60 + "-b-1", "us-\u0435ast-1"],
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


# Where S3 is, as Civo says it


STORE = {"id": "1", "name": "n", "status": "ready"}


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://objectstore.civo.com",
        "https://user@objectstore.civo.com",
        "https://user:pw@objectstore.civo.com",
        "user@objectstore.civo.com",
        "ftp://objectstore.civo.com",
        "https://[oops",
        "https://",
        "/",
        "objectstore.civo.com:99999",
        "a b",
        "x" * 5000,
    ],
)
def test_an_endpoint_that_is_not_taken(endpoint: str) -> None:
    with pytest.raises(ServerError, match="s3_endpoint") as caught:
        s3_endpoint(endpoint, "LON1")
    assert len(str(caught.value)) < 1000


def test_an_endpoint_without_tls_where_the_connection_has_none() -> None:
    assert s3_endpoint("http://127.0.0.1:9000/", "LON1", plain_http=True) == "http://127.0.0.1:9000"
    assert s3_endpoint("127.0.0.1:9000", "LON1", plain_http=True) == "https://127.0.0.1:9000"


@pytest.mark.parametrize("region", ["", "a.b", "evil.example/", "lon1\n"])
def test_a_region_is_checked_before_it_is_in_a_host(region: str) -> None:
    with pytest.raises(InvalidArgumentError, match="must be a region code"):
        s3_endpoint(None, region)


@pytest.mark.parametrize("endpoint", [{"a": 1}, ["https://x"], 5, 1.5, True, False, 0, [], {}], ids=repr)
def test_an_endpoint_that_is_no_text_breaks_the_contract(endpoint: object) -> None:
    with pytest.raises(TypeError):
        read_store({**STORE, "objectstore_endpoint": endpoint})


@pytest.mark.parametrize("endpoint", [None, ""])
def test_no_endpoint(endpoint: str | None) -> None:
    assert read_store({**STORE, "objectstore_endpoint": endpoint}).endpoint is None
    assert read_store(STORE).endpoint is None


@given(st.text())
def test_any_endpoint_is_taken_or_refused(endpoint: str) -> None:
    try:
        url = s3_endpoint(endpoint, "LON1")
    except ServerError:
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.username, parts.path) == ("https", None, "")
    assert parts.hostname
