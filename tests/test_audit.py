"""How findings in the pinned versions are judged. The look-up itself is pip-audit's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dev.audit import ROOT, Finding, _Session, answers, judge, pins

FINDING = Finding("ecdsa 0.19.2", frozenset({"PYSEC-2026-1325", "CVE-2024-23342"}), (), "a timing attack")


def test_pins_are_read_once(tmp_path: Path) -> None:
    for name in ("a.lock", "b.lock"):
        (tmp_path / name).write_text(
            "idna==3.10 \\\n    --hash=sha256:00\nx.y_z==1.0.post1 ; sys_platform != 'win32' \\\n"
        )
    assert pins(tmp_path.iterdir()) == [("idna", "3.10"), ("x.y_z", "1.0.post1")]
    assert len(pins((ROOT / "constraints").glob("*.lock"))) > 200


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("nothing", ["Not answered: ecdsa 0.19.2: CVE-2024-23342, PYSEC-2026-1325 (not fixed): a timing attack"]),
        ("`CVE-2024-23342` of ecdsa: it signs nothing here.", []),
        (
            "PYSEC-2026-1325, GHSA-wj6h-64fc-37mp",
            ["SECURITY.md answers GHSA-wj6h-64fc-37mp, which no pinned version has"],
        ),
    ],
)
def test_each_finding_needs_an_answer(text: str, problems: list[str]) -> None:
    assert list(judge([FINDING], answers(text))) == problems


def test_what_was_not_looked_up_may_be_what_is_answered() -> None:
    assert list(judge([], answers("CVE-2024-23342"), complete=False)) == []


class _Index:
    """Knows the vulnerabilities of the newest version only."""

    def __init__(self, newest: str) -> None:
        self.newest = newest

    def get(self, url: str) -> Any:
        if url != "/ecdsa/json":
            return SimpleNamespace(status_code=404)
        return SimpleNamespace(status_code=200, json=lambda: {"info": {"version": self.newest}})


@pytest.mark.parametrize(("newest", "status"), [("0.19.2", 200), ("0.20", 404)])
def test_what_is_known_of_another_version_does_not_count(newest: str, status: int) -> None:
    assert _Session(_Index(newest), "0.19.2").get("/ecdsa/0.19.2/json").status_code == status
