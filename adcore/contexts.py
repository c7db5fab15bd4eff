"""The contexts of a loaded model: known by name at once, their tensors read when they are first used."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from threading import RLock

import torch

from adcore.context import Context
from adcore.context_store import ContextStore
from adcore.errors import UserError
from adcore.routing import Router

CACHE_BYTES = 2**30
"""Most memory that tensors of contexts are kept in; those used longest ago are read again."""


class Contexts(Mapping[str, Context]):
    """Contexts by name, on a device. How many there are does not slow down the use of one."""

    def __init__(self, store: ContextStore, device: torch.device):
        """Read the records of all contexts.

        Raises:
            UserError: one is damaged.
        """
        self.store = store
        self.device = device
        self._records = {name: store.read(name) for name in store.names()}
        self._kept: OrderedDict[str, Context] = OrderedDict()
        self._router: Router | None = None
        self._lock = RLock()  # several threads judge at once

    def __getitem__(self, name: str) -> Context:
        if name not in self._records:
            raise KeyError(name)
        with self._lock:
            if name not in self._kept:
                self._kept[name] = self.store.load(name).to(self.device)
                while len(self._kept) > 1 and sum(map(_size, self._kept.values())) > CACHE_BYTES:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(name)
            return self._kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def router(self) -> Router:
        """Chooses among the contexts that have descriptors; made when it is first asked for.

        Raises:
            UserError: none of them has.
        """
        with self._lock:
            if self._router is None:
                places = {}
                for name, record in self._records.items():
                    descriptors = self.store.tensor(name, "descriptors")
                    if descriptors is not None:
                        places[name] = descriptors.to(self.device), record.reach
                if not places:
                    raise UserError(f"{self.store.folder}: no context has descriptors to choose by; name a context")
                self._router = Router(places)
            return self._router

    def refresh(self, *changed: str) -> None:
        """Take notice of contexts that came, went, or were changed, these by name."""
        known = {name: record for name, record in self._records.items() if name not in changed}
        self._records = {name: known.get(name) or self.store.read(name) for name in self.store.names()}
        for name in set(self._kept) - (known.keys() & self._records.keys()):
            del self._kept[name]
        self._router = None


def _size(context: Context) -> int:
    return sum(tensor.nbytes for tensor in context.tensors().values())
