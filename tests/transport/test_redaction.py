"""Secrets are found in whatever spelling a service or a library repeats them."""

from __future__ import annotations

import base64
import html
import json
import math
import pickle
import string
import time
import timeit
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from airflow_provider_objectstore.exceptions import ApiError, ServerError, TransportError
from airflow_provider_objectstore.transport import ResolvedConnection
from airflow_provider_objectstore.transport.redaction import redact, redact_members

SECRETS = st.text(string.printable[:95], min_size=5, max_size=60)
AWKWARD = 'ab/cd+ef"gh\\ij=klmnop&qrs'


def unicode_escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04X}" for character in text)


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON with escaped slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON in escapes": unicode_escaped,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text))[3:-3],
    "escapes in JSON": lambda text: json.dumps(unicode_escaped(text))[1:-1],
    "repr": lambda text: repr(text)[1:-1],
    "hex escapes": lambda text: "".join(f"\\x{ord(character):02x}" for character in text),
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded path": quote,
    "percent-encoded all over": lambda text: "".join(f"%{ord(character):02x}" for character in text),
    "percent-encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "form": quote_plus,
    "form in JSON": lambda text: json.dumps(quote_plus(text))[1:-1],
    "HTML": html.escape,
    "HTML in numbers": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "HTML of JSON": lambda text: html.escape(json.dumps(text)[1:-1]),
}


def code(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


IN_BASE64: dict[str, tuple[str, str, Callable[[str], str]]] = {
    "alone": ("", "", code),
    "without padding": ("", "", lambda text: code(text).rstrip("=")),
    "percent-encoded": ("", "", lambda text: quote(code(text), safe="")),
    "with escaped slashes": ("", "", lambda text: code(text).replace("/", "\\/")),
    "after one": (":", "", code),
    "after two": ("u:", "!", code),
    "between": ("user:", " and more", code),
    "for URLs": ("user:", "", lambda text: base64.urlsafe_b64encode(text.encode()).decode()),
}


@pytest.mark.parametrize("form", FORMS)
@given(secret=SECRETS)
@example(secret=AWKWARD)
@example(secret="Pr0xy%50assw0rd")
@example(secret="\\\\\\\\n")
@example(secret="a b+c%20d")
def test_escaped(form: str, secret: str) -> None:
    assume("***" not in secret and secret not in "reason")
    written = FORMS[form](secret)
    shown = redact(f'{{"reason": "<{written}>"}}', [secret])
    assert shown == '{"reason": "<***>"}'


@pytest.mark.parametrize("form", IN_BASE64)
@given(secret=SECRETS)
@example(secret=AWKWARD)
def test_in_base64(form: str, secret: str) -> None:
    before, after, encode = IN_BASE64[form]
    written = encode(f"{before}{secret}{after}")
    shown = redact(f"Basic {written}.", [secret])
    kept_before, kept_after = shown.removeprefix("Basic ").removesuffix(".").split("***")
    assert (written[: len(kept_before)], written[len(written) - len(kept_after) :]) == (kept_before, kept_after)
    # A character is six bits: what is left has none of the secret's.
    assert len(kept_before) <= 8 * len(before) // 6
    assert not kept_after or len(kept_after) <= len(written) - math.ceil(8 * len(before + secret) / 6)


@given(before=st.text(max_size=30), between=st.text(max_size=30), secrets=st.lists(SECRETS, min_size=1, max_size=3))
def test_among_anything(before: str, between: str, secrets: list[str]) -> None:
    shown = redact(f"{before}{between.join(secrets)}", secrets)
    pieces = shown.split("***")
    assert len(pieces) > 1
    assert not any(secret in piece for secret in secrets for piece in pieces)


@given(text=st.text(string.printable[:95]))
def test_nothing_else_is_taken_out(text: str) -> None:
    assume("@" not in text)
    assert redact(text, ["no-such-secret-in-it"]) == text


def test_overlapping_secrets() -> None:
    assert redact("x abcdefgh y", ["abcdef", "defgh", "cdefgh"]) == "x *** y"
    assert redact("abcdeabcde", ["abcde"]) == "******"


@pytest.mark.parametrize("scheme", ["http", "https", "socks5h"])
def test_users_in_urls(scheme: str) -> None:
    assert redact(f"url='{scheme}://me:unknown-password@proxy:1/x@y'", []) == f"url='{scheme}://***@proxy:1/x@y'"
    assert redact("osv2://conn_id@store/partition", []) == "osv2://conn_id@store/partition"


@pytest.mark.parametrize(
    "text",
    ["\\" * 200_000, "%25" * 70_000, "\\u0041" * 40_000, "&amp;" * 40_000, "A" * 200_000],
    ids=lambda text: text[:8],
)
def test_long_texts_end(text: str) -> None:
    assert redact(f"{text}hidden-secret", ["hidden-secret"]).endswith("***")


# In errors


CONNECTION = ResolvedConnection(base_urls={}, secrets=("hidden-secret",))


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    with pytest.raises(type(error)) as caught, CONNECTION.redacting("hidden-token", None):
        raise error from cause
    return caught.value


def test_every_field_of_an_error() -> None:
    error = raised(ApiError("no hidden-secret", code="hidden-token", request_id="r hidden%2Dsecret", retry_after="1"))
    assert isinstance(error, ApiError)
    assert (str(error), error.code, error.request_id, error.retry_after) == ("no ***", "***", "r ***", "1")
    assert "hidden" not in repr(pickle.loads(pickle.dumps(error)).__dict__)


def test_a_cause_that_shows_a_secret_is_left_out() -> None:
    assert raised(ServerError("x"), ValueError("not a number: 'hidden-secret'")).__cause__ is None
    nested = ValueError("outer")
    nested.__cause__ = KeyError("hidden-token")
    error = raised(TransportError("x", permanent=True), nested)
    assert (error.__cause__, error.__context__) == (None, None)
    assert isinstance(error, TransportError)
    assert error.permanent


def test_another_cause_stays() -> None:
    cause = ValueError("not a number: 'x'")
    assert raised(ServerError("x"), cause).__cause__ is cause


def test_errors_of_others_pass() -> None:
    assert raised(KeyError("hidden-secret")).args == ("hidden-secret",)


class TestMembers:
    def test_values_of_members_named_like_secrets(self) -> None:
        text = '{"client_secret": "a\\"b", "Token" : "x", "name": "secret", "password": 1}'
        assert redact_members(text) == '{"client_secret": "***", "Token" : "***", "name": "secret", "password": 1}'

    def test_takes_time_by_length(self) -> None:
        def seconds(text: str) -> float:
            return min(timeit.repeat(lambda: redact_members(text), timer=time.thread_time, number=1, repeat=3))

        longer = '"' + "secret" * 40_000
        assert seconds(longer) < 30 * max(seconds('"name": "v", ' * (len(longer) // 13)), 0.001)
