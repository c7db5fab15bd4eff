"""Work beside the network: threads that read and resize images ahead of it, and write results behind it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from itertools import islice
from typing import Any, TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_WAITING = 4
"""Results that may wait, or one more than there are threads; bounds memory."""


def prefetched(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int = 1
) -> Generator[Result, None, None]:
    """``map(function, items)``, in order, the next few results computed ahead.

    An error of the function is raised where its result would have come, after all results before it.

    Args:
        function: called outside of the caller's thread, in its context (precision, gradients); by several threads at
            once only where `threads` says so.
        items: gone through as results are taken.
        threads: that compute.

    >>> list(prefetched(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    left, function = iter(items), _as_here(function)
    with _pool(threads) as pool:
        ahead = islice(left, max(MOST_WAITING, threads + 1))
        waiting: deque[Future[Result]] = deque(pool.submit(function, item) for item in ahead)
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, item) for item in islice(left, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()


def mapped(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> list[Result]:
    """``list(map(function, items))`` by so many threads, each of which computes by itself; 1 is the caller's."""
    return [function(item) for item in items] if threads == 1 else list(prefetched(function, items, threads))


def _as_here(function: Callable[[Item], Result]) -> Callable[[Item], Result]:
    """The function as it would run in this thread: with its context variables, and gradients or none."""
    context, gradients, inference = copy_context(), torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    def call(item: Item) -> Result:
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return context.copy().run(function, item)

    return call


class Background:
    """Calls made by threads while the caller goes on; to be had from `in_background`."""

    def __init__(self, pool: ThreadPoolExecutor):
        self._pool = pool
        self._waiting: deque[Future[Any]] = deque()

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call a function, after waiting while `MOST_WAITING` others do; raises the error of an earlier one."""
        while len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(function, *arguments))

    def finish(self) -> None:
        """Wait for all calls; raises the error of the first that failed."""
        while self._waiting:
            self._waiting.popleft().result()


@contextmanager
def in_background(threads: int = 2) -> Generator[Background, None, None]:
    """Calls behind the caller, all done when the block ends. After an error in the block theirs are not looked at."""
    with _pool(threads) as pool:
        background = Background(pool)
        yield background
        background.finish()


@contextmanager
def _pool(threads: int) -> Generator[ThreadPoolExecutor, None, None]:
    """Threads that do without further threads of their own: the network has the cores."""
    own = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, "adcore", initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(own)  # the threads' 1 would hold for all that others start later
