from __future__ import annotations

from airflow_provider_objectstore.emulator.ordered_keys import OrderedKeys


def ordered_keys(*names: str) -> OrderedKeys[str]:
    ordered: OrderedKeys[str] = OrderedKeys()
    for name in names:
        ordered.put(name, name.upper())
    return ordered


def names(page: tuple[list[tuple[int, str, str]], bool]) -> tuple[list[str], bool]:
    return [name for _, name, _ in page[0]], page[1]


def test_pages_are_in_order_and_show_whether_there_are_more() -> None:
    ordered = ordered_keys("c", "a", "d", "b")
    assert names(ordered.page(2, None, "", bool)) == (["a", "b"], True)
    assert names(ordered.page(2, "b", "", bool)) == (["c", "d"], False)
    assert names(ordered.page(2, "d", "", bool)) == ([], False)


def test_a_page_continues_after_a_name_that_was_dropped() -> None:
    ordered = ordered_keys("a", "b", "c")
    ordered.drop("b")
    assert names(ordered.page(5, "b", "", bool)) == (["c"], False)


def test_pages_by_prefix() -> None:
    ordered = ordered_keys("xa", "a", "ab", "b", "ba")
    assert names(ordered.page(5, None, "a", bool)) == (["a", "ab"], False)
    assert names(ordered.page(1, "a", "a", bool)) == (["ab"], False)


def test_dead_values_are_removed_and_not_counted() -> None:
    ordered = ordered_keys("a", "b", "c", "d")
    page = ordered.page(2, None, "", lambda value: value not in ("A", "C"))
    assert page == ([(0, "b", "B"), (1, "d", "D")], False)
    assert list(ordered) == ["b", "d"]


def test_replace_and_drop_twice() -> None:
    ordered = ordered_keys("a", "a")
    assert names(ordered.page(5, None, "", bool)) == (["a"], False)
    ordered.drop("a")
    ordered.drop("a")
    assert names(ordered.page(5, None, "", bool)) == ([], False)
