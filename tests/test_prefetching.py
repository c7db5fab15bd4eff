import threading

import pytest

from adcore.prefetching import AHEAD, prefetched


def test_results_come_in_order_and_only_a_few_ahead():
    asked, lock = [], threading.Lock()

    def work(number):
        with lock:
            asked.append(number)
        return 2 * number

    for done, result in enumerate(prefetched(work, iter(range(50)))):
        assert result == 2 * done
        assert len(asked) <= done + AHEAD + 1
    assert sorted(asked) == list(range(50))


def test_an_error_comes_after_the_results_before_it():
    results = prefetched(lambda number: 1 // (3 - number), range(10))
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_what_is_left_is_not_computed_once_nobody_asks():
    asked = []
    results = prefetched(asked.append, range(1000))
    next(results)
    results.close()
    assert len(asked) <= AHEAD + 2
