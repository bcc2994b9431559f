"""What a process keeps is bounded, by number or by weight."""

from apps.core.memory import BoundedCache


def test_the_values_used_last_are_kept():
    cache = BoundedCache[str, int](2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]


def test_weight_bounds_it_and_the_last_value_is_kept_in_any_case():
    cache = BoundedCache[str, str](10, weigh=len)
    cache.put("a", "xxxx")
    cache.put("b", "xxxx")
    cache.put("b", "xx")
    cache.put("c", "xxxx")
    assert [cache.get(key) for key in "abc"] == ["xxxx", "xx", "xxxx"]
    cache.put("d", "x" * 50)
    assert [cache.get(key) for key in "abcd"] == [None, None, None, "x" * 50]
    cache.put("e", "x")
    assert (cache.get("d"), cache.get("e")) == (None, "x")
    cache.clear()
    cache.put("f", "x" * 10)
    assert cache.get("f")
