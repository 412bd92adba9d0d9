from __future__ import annotations

import pytest

from airflow_provider_objectstore.emulator.operation_names import check_operation

OPERATIONS = {"anypoint.get_key", "anypoint.put_key", "civo.list_regions"}


@pytest.mark.parametrize("pattern", ["anypoint.get_key", "anypoint.*", "*", "*_key", "civo.list_region?"])
def test_what_matches_passes(pattern: str) -> None:
    check_operation(pattern, OPERATIONS)


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("anypoint.getkey", "close to it are anypoint.get_key, anypoint.put_key"),
        ("xyz", "there are anypoint.get_key, anypoint.put_key, civo.list_regions"),
    ],
)
def test_what_matches_nothing_names_what_is_meant(pattern: str, hint: str) -> None:
    with pytest.raises(ValueError, match=rf"^no operation is named '{pattern}'; {hint}$"):
        check_operation(pattern, OPERATIONS)
