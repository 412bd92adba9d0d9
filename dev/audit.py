"""
Look up the known vulnerabilities of all pinned versions, with pip-audit: ``make audit``.

A finding is answered where SECURITY.md names it. The run fails for a finding without an answer, for an answer without a
finding, and if the database cannot be reached. It also fails for a version whose vulnerabilities cannot be looked up:
``--partial`` allows these, and then answers without a finding too.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_PIN = re.compile(r"^([\w.-]+)==([^\s;]+)", re.M)
_ID = re.compile(r"\b(?:PYSEC-\d+-\d+|CVE-\d+-\d+|GHSA(?:-[0-9a-z]{4}){3})\b")


@dataclass(frozen=True)
class Finding:
    """
    A vulnerability of a pinned version.

    :param package: name and version.
    :param ids: its names in all databases.
    :param fixed: versions without it.
    :param summary: what it is.
    """

    package: str
    ids: frozenset[str]
    fixed: tuple[str, ...]
    summary: str

    def __str__(self) -> str:
        fixed = f"fixed in {', '.join(self.fixed)}" if self.fixed else "not fixed"
        return f"{self.package}: {', '.join(sorted(self.ids))} ({fixed}): {self.summary[:300]}"


def pins(files: Iterable[Path]) -> list[tuple[str, str]]:
    """Return name and version of each pin, once."""
    return sorted({pin for file in files for pin in _PIN.findall(file.read_text())})


def answers(text: str) -> frozenset[str]:
    """Return the names of the vulnerabilities that a text speaks of."""
    return frozenset(_ID.findall(text))


def judge(findings: list[Finding], answered: frozenset[str], complete: bool = True) -> Iterator[str]:
    """Tell what has to change: findings without an answer, and answers without a finding if all were found."""
    yield from (f"Not answered: {finding}" for finding in findings if not finding.ids & answered)
    found = frozenset(id for finding in findings for id in finding.ids)
    yield from (
        f"SECURITY.md answers {id}, which no pinned version has" for id in sorted(answered - found if complete else ())
    )


class _Session:
    """
    Asks for a package's newest version where an index knows vulnerabilities of that one only.

    Some mirrors do. Its answer counts if the pinned version is the newest.
    """

    def __init__(self, session: Any, version: str) -> None:
        self._session, self._version = session, version

    def get(self, url: str, **arguments: Any) -> Any:
        response = self._session.get(url, **arguments)
        if response.status_code == 404:
            newest = self._session.get(url.removesuffix(f"/{self._version}/json") + "/json", **arguments)
            if newest.status_code == 200 and newest.json()["info"]["version"] == self._version:
                return newest
        return response


def look_up(pin: tuple[str, str]) -> tuple[str, list[Finding] | None]:
    """Return the findings of a pin, ``None`` if they cannot be known."""
    from packaging.version import Version
    from pip_audit._service import PyPIService, ResolvedDependency

    name, version = pin
    service = PyPIService(cache_dir=ROOT / ".cache" / "audit" / "responses", timeout=30)
    service.session = _Session(service.session, version)
    dependency, found = service.query(ResolvedDependency(name=name, version=Version(version)))
    package = f"{name} {version}"
    if dependency.is_skipped():
        return package, None
    return package, [
        Finding(package, frozenset({one.id, *one.aliases}), tuple(map(str, one.fix_versions)), one.description)
        for one in found
    ]


def main() -> str | None:
    """Print what was found. Return what makes the run fail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--partial", action="store_true", help="pass although some versions could not be looked up")
    partial = parser.parse_args().partial
    from pip_audit._service import ServiceError
    from requests import RequestException

    wanted = pins(sorted((ROOT / "constraints").glob("*.lock")))
    try:
        with ThreadPoolExecutor(4) as threads:
            looked_up = list(threads.map(look_up, wanted))
    except (ServiceError, RequestException) as error:
        return f"The database of vulnerabilities cannot be reached, nothing was audited: {error!r}"
    unknown = [package for package, found in looked_up if found is None]
    findings = [finding for _, found in looked_up for finding in found or ()]
    print(f"{len(wanted)} pinned versions, {len(wanted) - len(unknown)} looked up, {len(findings)} findings")
    for finding in findings:
        print(finding)
    problems = list(judge(findings, answers((ROOT / "SECURITY.md").read_text()), not unknown))
    if unknown:
        print(f"Not looked up ({len(unknown)}): {', '.join(unknown)}")
    if len(unknown) == len(wanted):
        return "The database of vulnerabilities knows none of the versions, nothing was audited"
    if unknown and not partial:
        problems.append(f"{len(unknown)} versions could not be looked up; --partial allows that")
    return "\n".join(problems) or None


if __name__ == "__main__":
    sys.exit(main())
