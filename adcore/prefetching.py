"""Work done ahead by threads: images are read and resized while the network computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

THREADS = 2
AHEAD = 4
"""Results that may wait; bounds memory."""


def prefetched(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """``map(function, items)``, in order, the next few results computed ahead by threads.

    An error of the function is raised where its result would have come, after all results before it.

    >>> list(prefetched(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    left = iter(items)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="prefetch") as pool:
        waiting: deque[Future[Result]] = deque(pool.submit(function, item) for item in islice(left, AHEAD))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, item) for item in islice(left, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
