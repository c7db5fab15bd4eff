import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest
import torch

from adcore.background import MOST_WAITING, in_background, mapped, prefetched


def test_results_come_in_order_and_only_a_few_ahead():
    asked, lock = [], threading.Lock()

    def work(number):
        with lock:
            asked.append(number)
        return 2 * number

    for done, result in enumerate(prefetched(work, iter(range(50)), threads=3)):
        assert result == 2 * done
        assert len(asked) <= done + MOST_WAITING + 1
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
    assert len(asked) <= MOST_WAITING + 2


def test_calls_are_done_at_the_end_and_only_a_few_wait():
    done, gate = [], threading.Event()
    with in_background(threads=1) as background:
        background(gate.wait)
        for number in range(MOST_WAITING - 1):
            background(done.append, number)
        assert not done
        gate.set()
        background(done.append, 99)
    assert done == [*range(MOST_WAITING - 1), 99]


def test_an_error_behind_the_caller_is_raised():
    with pytest.raises(ZeroDivisionError), in_background() as background:
        background(divmod, 1, 0)
    with pytest.raises(ZeroDivisionError), in_background() as background:
        for _ in range(MOST_WAITING + 1):
            background(divmod, 1, 0)


def test_an_error_of_the_caller_comes_first_and_calls_are_done_all_the_same():
    done = []
    with pytest.raises(KeyError), in_background() as background:
        background(done.append, 1)
        background(divmod, 1, 0)
        raise KeyError
    assert done == [1]


def test_threads_leave_the_number_of_threads_alone():
    before = torch.get_num_threads()
    assert list(prefetched(lambda _: torch.get_num_threads(), range(3), threads=2)) == [1, 1, 1]
    with ThreadPoolExecutor(1) as pool:
        assert torch.get_num_threads() == pool.submit(torch.get_num_threads).result() == before


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_compute_as_their_caller_would(threads):
    precision = ContextVar("precision", default="full")

    def seen(number):
        return number, precision.get(), torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    assert mapped(seen, range(2), threads) == [(0, "full", False, True), (1, "full", False, True)]
    precision.set("reduced")
    with torch.inference_mode():
        assert mapped(seen, range(2), threads) == [(0, "reduced", True, False), (1, "reduced", True, False)]
    with torch.no_grad():
        assert mapped(seen, [0], threads) == [(0, "reduced", False, False)]
