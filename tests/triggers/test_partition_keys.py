from __future__ import annotations

import pytest

from airflow_provider_objectstore.api.anypoint.values import Entry
from airflow_provider_objectstore.api.call import Page
from airflow_provider_objectstore.triggers.partition_keys import read_keys
from airflow_provider_objectstore.triggers.snapshots import KeyFilter
from tests.triggers.watching import LIST


def test_invalid_names_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    flow = read_keys("s", "p", frozenset({KeyFilter(None)}))
    assert next(flow).operation == LIST
    assert flow.send(Page(("..", "a|b", "a"))).subject.endswith("key 'a'")
    with pytest.raises(StopIteration) as end:
        flow.send(Entry("a", "v", "STRING"))
    assert list(end.value.value.keys) == ["a"]
    assert "'a|b'" in caplog.text


def test_overlapping_prefixes_are_listed_once() -> None:
    key_filters = [KeyFilter(None, prefix) for prefix in ("in/", "in/a", "out")]
    flow = read_keys("s", "p", frozenset({*key_filters, KeyFilter(frozenset({"k"}))}))
    step, queries, read = next(flow), [], []
    try:
        while True:
            listing = step.operation == LIST
            (queries if listing else read).append(step.query if listing else step.subject)
            step = flow.send(Page(("in/a1",)) if listing else Entry(None, 1, "NUMBER"))
    except StopIteration:
        pass
    assert sorted(queries) == [(("beginsWith", "in/"),), (("beginsWith", "out"),)]
    assert [subject.rpartition("key ")[2] for subject in read] == ["'in/a1'", "'k'"]
