from __future__ import annotations

from airflow_provider_objectstore.emulator import Emulator, Settings
from tests.emulator.conftest import Anypoint, Civo, Clock


def test_the_rate_limit_does_not_apply_to_the_token_endpoints() -> None:
    clock = Clock()
    with Emulator(Settings(requests_per_second=3, retry_after=1.5, clock=clock)) as emulator:
        anypoint, civo = Anypoint(emulator.url), Civo(emulator.url)
        for _ in range(2):
            responses = [anypoint.store("GET") for _ in range(4)]
            assert [response.status_code for response in responses] == [200, 200, 200, 429]
            assert responses[-1].json() == {
                "status": "failure",
                "statusMessage": "ip can not perform more requests in this time window",
            }
            assert responses[-1].headers["Retry-After"] == "2"
            assert Anypoint(emulator.url).session.headers["Authorization"]
            clock.now += 1
        assert civo("GET", "quota").status_code == 200
        clock.now += 1 / 3
        assert [anypoint.store("GET").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
        codes = [civo("GET", "quota").json().get("code") for _ in range(4)]
        assert codes == [None, None, None, "rate_limit_exceeded"]


def test_retry_after_is_omitted_by_default() -> None:
    with Emulator(Settings(requests_per_second=1, clock=Clock())) as emulator:
        anypoint = Anypoint(emulator.url)
        assert [anypoint.store("GET").status_code, anypoint.store("GET").status_code] == [200, 429]
        assert "Retry-After" not in anypoint.store("GET").headers
        emulator.reset()
        assert anypoint.store("GET").status_code == 200
