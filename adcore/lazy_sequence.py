"""A sequence whose items are made when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, overload

Result = TypeVar("Result")


class LazySequence(Sequence[Result], Generic[Result]):
    """``[function(item) for item in items]``, each made anew whenever it is asked for; a slice is lazy too.

    >>> list(LazySequence(abs, [-1, 2, -3])[1:])
    [2, 3]
    """

    def __init__(self, function: Callable[[Any], Result], items: Sequence[Any]):
        self._function = function
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, place: int) -> Result: ...
    @overload
    def __getitem__(self, place: slice) -> LazySequence[Result]: ...
    def __getitem__(self, place: int | slice) -> Result | LazySequence[Result]:
        places = range(len(self))[place]
        return LazySequence(self._at, places) if isinstance(places, range) else self._at(places)

    def _at(self, place: int) -> Result:
        return self._function(self._items[place])
