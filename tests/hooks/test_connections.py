from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import AuthenticationError, ConfigurationError, InvalidArgumentError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.hooks.connection_fields import Fields
from airflow_provider_objectstore.operators.anypoint import AnypointCreateStoreOperator, AnypointDeleteStoreOperator
from airflow_provider_objectstore.transport import ResolvedConnection
from airflow_provider_objectstore.transport.retry import RetryPolicy
from tests.hooks.connections import PLACE, SECRET, Resolve, origin

# Defaults, and what may be typed or text


def test_anypoint_defaults(anypoint: Resolve) -> None:
    resolved = anypoint()
    service = "https://object-store-us-east-1.anypoint.mulesoft.com"
    assert resolved.base_urls == {
        "organization": f"{service}/api/v1/organizations/org",
        "environment": f"{service}/api/v1/organizations/org/environments/env",
        "accounts": "https://anypoint.mulesoft.com/accounts/api",
        "statistics": "https://object-store-stats.anypoint.mulesoft.com/api/v1/organizations/org",
    }
    assert (resolved.requests_per_second, resolved.timeout, resolved.verify, resolved.proxy) == (10, 30, True, None)


def test_civo_defaults(civo: Resolve) -> None:
    resolved = civo()
    assert resolved.base_urls == {"api": "https://api.civo.com/v2"}
    assert resolved.parameters == {"region": "LON1"}
    assert (resolved.bearer, resolved.token_call) == (SECRET, None)
    assert (resolved.requests_per_second, resolved.timeout, resolved.verify, resolved.proxy) == (10, 30, True, None)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("regoin", "region"),
        ("Region", "region"),
        ("environment", "environment_id"),
        ("organisation_id", "organization_id"),
        ("account_url", "accounts_url"),
        ("request_per_second", "requests_per_second"),
        ("retry-attempts", "retry_attempts"),
    ],
)
def test_a_misspelt_field_does_not_mean_the_default(anypoint: Resolve, name: str, meant: str) -> None:
    with pytest.raises(ConfigurationError, match=f"cannot be used: extra '{name}' is no field: rename it to {meant}"):
        anypoint(extra={name: "eu-central-1"})


def test_fields_of_others_are_left_alone(either: Resolve) -> None:
    others = (
        "author",
        "owner",
        "endpoint_url",
        "verify_ssl",
        "extra__anypoint__region",
        "aws_region",
        "__extra__",
        "note",
    )
    assert either(extra=dict.fromkeys(others, "x")).digest == either().digest


@pytest.mark.parametrize("empty", ["", None, " "], ids=repr)
def test_fields_left_empty_in_the_form(either: Resolve, empty: str | None) -> None:
    names = (
        "requests_per_second",
        "timeout",
        "retry_attempts",
        "retry_deadline",
        "verify",
        "proxy",
        "control_plane",
        "auth",
        "accounts_url",
        "statistics_url",
        "s3_endpoint",
    )
    if empty == " ":
        names = ("proxy", "accounts_url", "s3_endpoint")
    resolved = either(extra=dict.fromkeys(names, empty), host=empty and "", port=None)
    assert resolved.digest == either().digest


@pytest.mark.parametrize("value", [2.5, "2.5", " 2.5 "], ids=repr)
def test_numbers(either: Resolve, value: Any) -> None:
    resolved = either(extra={"requests_per_second": value, "timeout": value})
    assert (resolved.requests_per_second, resolved.timeout) == (2.5, 2.5)


@pytest.mark.parametrize("value", [3, "3", " 3 "], ids=repr)
def test_retries(either: Resolve, value: Any) -> None:
    assert either(extra={"retry_attempts": value, "retry_deadline": 2.5}).retry == RetryPolicy(attempts=3, deadline=2.5)
    assert either().retry == RetryPolicy()


@pytest.mark.parametrize("value", [0, -1, "0", "many", True, 2.5, "nan", [1], "1_0", "٣", "9" * 20], ids=repr)
def test_attempts_that_cannot_be(either: Resolve, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="extra retry_attempts must be a whole number, at least 1, not '"):
        either(extra={"retry_attempts": value})


@pytest.mark.parametrize("name", ["requests_per_second", "timeout", "retry_deadline"])
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


def test_verify_with_a_file(either: Resolve, certificate: str) -> None:
    resolved = either(extra={"verify": certificate})
    assert (resolved.verify, resolved.ca_path) == (certificate, certificate)


@pytest.mark.parametrize(
    "value", ["/no/such/file.pem", "yes", "/", 0, 1, "x" * 5000, "a\0b"], ids=lambda v: repr(v)[:20]
)
def test_verify_that_cannot_be(either: Resolve, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="extra verify must be true, false or an existing file"):
        either(extra={"verify": value})


def test_identifiers_of_digits(anypoint: Resolve) -> None:
    resolved = anypoint(extra={"organization_id": 123, "environment_id": 456})
    assert resolved.base_urls["environment"].endswith("/organizations/123/environments/456")


def test_identifiers_are_encoded(anypoint: Resolve) -> None:
    resolved = anypoint(extra={"organization_id": "a/b", "environment_id": "c?d"})
    assert resolved.base_urls["environment"].endswith("/organizations/a%2Fb/environments/c%3Fd")


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
        resolved = anypoint({"region": " eu-west-1 ", "organization_id": " o", "environment_id": "e\n"})
        service = "https://object-store-eu-west-1.anypoint.mulesoft.com"
        assert resolved.base_urls["environment"] == f"{service}/api/v1/organizations/o/environments/e"
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
    assert anypoint(mine).base_urls["environment"] == f"{service}/api/v1/organizations/o/environments/e"
    assert civo({"region": "NYC1"}).parameters == {"region": "NYC1"}


# Ways to a token


@pytest.mark.parametrize("auth", [None, "connected_app", "Connected_App"])
def test_connected_app(anypoint: Resolve, auth: str | None) -> None:
    resolved = anypoint(extra={"auth": auth})
    assert resolved.bearer is None
    assert resolved.token_call is not None
    assert resolved.token_call.path == "/v2/oauth2/token"
    assert resolved.token_call.body == {
        "client_id": "app",
        "client_secret": SECRET,
        "grant_type": "client_credentials",
    }


def test_user(anypoint: Resolve) -> None:
    resolved = anypoint(extra={"auth": "user"})
    assert resolved.bearer is None
    assert resolved.token_call is not None
    assert (resolved.token_call.path, resolved.token_call.body) == ("/login", {"username": "app", "password": SECRET})


def test_bearer(anypoint: Resolve) -> None:
    resolved = anypoint(extra={"auth": "bearer"}, login=None)
    assert (resolved.bearer, resolved.token_call) == (SECRET, None)


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


def test_problems_are_returned_by_test_connection(monkeypatch: pytest.MonkeyPatch) -> None:
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
    for resolve in (lambda: anypoint(password=value, extra={"auth": "bearer"}), lambda: civo(password=value)):
        with pytest.raises(ConfigurationError, match="holds a space, which cannot be sent") as caught:
            resolve()
        assert SECRET not in str(caught.value)
    assert anypoint(password=value).secrets[0] == value, "a client secret goes into a body"


def test_secrets_stay_out_of_representations(either: Resolve) -> None:
    resolved = either(extra={"proxy": "http://user:proxy-pw@proxy"})
    assert {SECRET, "proxy-pw"} <= set(resolved.secrets)
    shown = f"{resolved!r} {resolved} {resolved.token_call!r} {resolved.digest}"
    assert SECRET not in shown
    assert "proxy-pw" not in shown


def test_secrets_stay_out_of_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_X", json.dumps({"conn_type": "civo", "password": SECRET, "extra": {"a": SECRET}}))
    connection = CivoObjectStoreHook("x").get_connection("x")
    assert SECRET not in repr(Fields(connection, connection.extra_dejson))


def test_every_change_makes_another_digest(either: Resolve) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"password": "other"},
        {"host": "example.com"},
        {"extra": {"timeout": 31}},
        {"extra": {"requests_per_second": 11}},
        {"extra": {"retry_attempts": 7}},
        {"extra": {"retry_deadline": 600}},
        {"extra": {"verify": False}},
        {"extra": {"proxy": "http://proxy"}},
        {"extra": {"region": "eu-west-1"}},
    ]
    digests = [either(**change).digest for change in changes]
    assert len(set(digests)) == len(changes)
    assert either().digest == digests[0]


@pytest.mark.parametrize(
    "same",
    [
        {"password": "other"},
        {"extra": {"timeout": 31}},
        {"extra": {"requests_per_second": 11}},
        {"extra": {"retry_attempts": 7}},
        {"extra": {"verify": False}},
        {"extra": {"proxy": "http://proxy"}},
        {"extra": {"accounts_url": "https://tokens.example.com"}},
        {"extra": {"statistics_url": "https://statistics.example.com"}},
    ],
    ids=str,
)
def test_how_it_is_reached_makes_no_other_place(same: dict[str, Any], either: Resolve) -> None:
    assert place(either(**same)) == place(either())


def test_every_other_address_is_another_place(anypoint: Resolve, civo: Resolve) -> None:
    changes: list[dict[str, Any]] = [{}, {"host": "example.com"}, {"extra": {"region": "eu-west-1"}}]
    of_anypoint = [{"extra": {"organization_id": "other"}}, {"extra": {"environment_id": "other"}}]
    places = [place(anypoint(**change)) for change in (*changes, *of_anypoint)]
    places += [place(civo(**change)) for change in (*changes, {"extra": {"s3_endpoint": "https://s3.example.com"}})]
    assert len(set(places)) == len(places)


def place(connection: ResolvedConnection) -> str:
    return connection.place("environment" if "environment" in connection.base_urls else "api")


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
    transport_options = {"requests_per_second": 5, "timeout": 1.5, "verify": "false"}
    anypoint = resolve(
        AnypointObjectStoreHook(), uri("anypoint", address, {**PLACE, **transport_options}, as_json=as_json)
    )
    civo = resolve(
        CivoObjectStoreHook(), uri("civo", address, {"region": "LON1", **transport_options}, as_json=as_json)
    )
    for resolved in (anypoint, civo):
        assert origin(resolved) == expected
        assert SECRET in resolved.secrets
        assert (resolved.requests_per_second, resolved.timeout, resolved.verify) == (5, 1.5, False)
    assert anypoint.base_urls["environment"].endswith("/organizations/org/environments/env")


def test_uri_without_host(resolve: Resolve) -> None:
    resolved = resolve(CivoObjectStoreHook(), f"civo://:{quote(SECRET, safe='')}@/?region=LON1")
    assert (origin(resolved), resolved.bearer) == ("https://api.civo.com", SECRET)


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


def test_id_that_the_test_button_makes_up_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_A1B2C3D4", '{"conn_type": "civo", "extra": {"region": "LON1"}}')
    monkeypatch.setenv("AIRFLOW_CONN_MY_CIVO", '{"conn_type": "civo", "extra": {"region": "LON1"}}')
    missing = "cannot be used: password (the API key) is missing"
    with monkeypatch.context() as in_a_task:
        in_a_task.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
        assert CivoObjectStoreHook("a1B2c3D4").test_connection() == (False, f"connection 'a1B2c3D4' {missing}")
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    assert CivoObjectStoreHook("a1B2c3D4").test_connection() == (False, f"the connection {missing}")
    assert CivoObjectStoreHook("my_civo").test_connection() == (False, f"connection 'my_civo' {missing}")
    connection = {"conn_type": "civo", "password": "key", "extra": {"region": "LON1"}}
    monkeypatch.setenv("AIRFLOW_CONN_A1B2C3D4", json.dumps(connection))
    assert CivoObjectStoreHook("a1B2c3D4").where == "region LON1"


def test_port_443_changes_nothing(either: Resolve) -> None:
    """Airflow 3.3 tests no connection without a port: see docs/connections.md."""
    assert either(port=443).digest == either().digest
