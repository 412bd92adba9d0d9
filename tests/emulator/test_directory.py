from __future__ import annotations

from airflow_provider_objectstore.emulator.directory import Directory


def filled(*names: str) -> Directory[str]:
    directory: Directory[str] = Directory()
    for name in names:
        directory.put(name, name.upper())
    return directory


def names(page: tuple[list[tuple[int, str, str]], bool]) -> tuple[list[str], bool]:
    return [name for _, name, _ in page[0]], page[1]


def test_pages_are_in_order_and_say_whether_more_follow() -> None:
    directory = filled("c", "a", "d", "b")
    assert names(directory.page(2, None, "", bool)) == (["a", "b"], True)
    assert names(directory.page(2, "b", "", bool)) == (["c", "d"], False)
    assert names(directory.page(2, "d", "", bool)) == ([], False)


def test_a_page_goes_on_after_a_name_that_has_gone() -> None:
    directory = filled("a", "b", "c")
    directory.drop("b")
    assert names(directory.page(5, "b", "", bool)) == (["c"], False)


def test_a_prefix_is_looked_up_from_the_left() -> None:
    directory = filled("xa", "a", "ab", "b", "ba")
    assert names(directory.page(5, None, "a", bool)) == (["a", "ab"], False)
    assert names(directory.page(1, "a", "a", bool)) == (["ab"], False)


def test_what_is_dead_is_removed_and_does_not_count() -> None:
    directory = filled("a", "b", "c", "d")
    page = directory.page(2, None, "", lambda value: value not in ("A", "C"))
    assert page == ([(0, "b", "B"), (1, "d", "D")], False)
    assert list(directory) == ["b", "d"]


def test_replacing_keeps_one_entry_and_dropping_twice_is_harmless() -> None:
    directory = filled("a", "a")
    assert names(directory.page(5, None, "", bool)) == (["a"], False)
    directory.drop("a")
    directory.drop("a")
    assert names(directory.page(5, None, "", bool)) == ([], False)
