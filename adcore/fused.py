"""Faster copies of frozen networks on the CPU: used where they agree with the network, made anew where it changes."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn

from adcore.fused_convolution import Numbers
from adcore.fused_graph import fuse, pays
from adcore.precision import in_integers

Compute = Callable[[Tensor], Sequence[Tensor]]
"""Makes of images [B, 3, H, W] one float [B, C_l, H_l, W_l] per level."""

MOST_COPIES = 8
"""Of one network, for different sizes of image and types of number; bounds memory."""

AGREEMENT = 1e-5
"""Root mean square difference from the network that a copy may have, as a share of the features' own."""

ROUNDING = 1.25
"""So many times the network's own error in reduced precision may a copy have."""

IN_INTEGERS = 0.08
"""Root mean square difference from the network that a copy in 8-bit integers may have, likewise."""

PAYS = 24
"""Images of one size from which on making a copy takes less time than it saves."""

_log = logging.getLogger(__name__)

_for_few: ContextVar[bool] = ContextVar("for_few", default=False)


@contextmanager
def made_for(images: int) -> Iterator[None]:
    """No copies are made inside where there are fewer than `PAYS` images to look at."""
    before = _for_few.set(images < PAYS)
    try:
        yield
    finally:
        _for_few.reset(before)


def heavy(net: nn.Module) -> bool:
    """Whether a network takes less time in integers, as far as its layers tell."""
    with torch.inference_mode(False), torch.no_grad():
        try:
            return pays(net)
        except Exception as error:  # networks refuse to be traced by any kind of error
            _log.debug("%s stays in floats: %s: %s", type(net).__name__, type(error).__name__, error)
            return False


def fastest(net: nn.Module, x: Tensor) -> Compute:
    """What computes a network's levels of `x` [B, 3, H, W]: a fused copy of it, or the network itself.

    A copy has batch normalisation folded into its weights, these laid out as oneDNN multiplies them for one shape of
    `x`, and sums and activations applied within convolutions. It serves inference on the CPU, in float32, autocast to
    bfloat16 or, as `adcore.precision.computing_in` says and where it pays, in 8-bit integers, by networks whose flow
    does not depend on values. It is made at the first call and again when anything in the network has changed, and is
    compared with it on noise: where they disagree, or oneDNN lacks something, the network itself computes; so it does
    with ``torch.backends.mkldnn`` off. A copy takes the memory of its weights.
    """
    if net.training or torch.is_grad_enabled():
        _copies.pop(net, None)  # training changes statistics, and fused optimisers weights, without counting versions
        return net
    if _for_few.get() or not _for_onednn(x):
        return net
    autocast = torch.is_autocast_enabled("cpu")
    number_type = torch.get_autocast_dtype("cpu") if autocast else torch.float32
    key = number_type, in_integers(), x.shape
    known = _copies.get(net)
    if known is None or key not in known.made or not known.of.holds():
        with _making, torch.inference_mode(False), torch.no_grad():  # others wait: all images are seen by the same
            known = _copies.get(net)
            if known is None or not known.of.holds():
                known = _copies[net] = _Copies(Snapshot(net), {})
            if key not in known.made:
                room = sum(copy is not None for copy in known.made.values()) < MOST_COPIES
                known.made[key] = _made(net, known.of, *key) if room else None
    return known.made[key] or net


class Snapshot:
    """What a network computes with, to tell whether that has changed. It does not keep the network itself alive.

    Attributes:
        tensors: parameters and buffers.
        plain: whether all modules are in eval mode and called without hooks.
    """

    def __init__(self, net: nn.Module):
        """Take note of parameters, buffers, submodules, modes and hooks."""
        self._modules = [module.__dict__ for module in net.modules()]
        stores = [state[kind] for state in self._modules for kind in ("_parameters", "_buffers", "_modules")]
        self._held = [(store, key, held) for store in stores for key, held in store.items()]
        self.tensors = [held for _, _, held in self._held if isinstance(held, Tensor)]
        self._tracked = [tensor for tensor in self.tensors if not tensor.is_inference()]
        self.plain = self._plain()
        self._versions = self._counted()

    def holds(self) -> bool:
        """Whether nothing has changed since; what is written to ``tensor.data`` in place goes unseen."""
        same = all(store.get(key) is held for store, key, held in self._held)
        return same and self._plain() == self.plain and self._counted() == self._versions

    def _plain(self) -> bool:
        return not any(
            state["training"] or state["_forward_hooks"] or state["_forward_pre_hooks"] for state in self._modules
        )

    def _counted(self) -> list[tuple[int, int]]:
        """Version and place in memory of each tensor that has a version."""
        return [(tensor._version, tensor.data_ptr()) for tensor in self._tracked]


class _Copies(NamedTuple):
    of: Snapshot
    made: dict[tuple[torch.dtype, bool, torch.Size], Compute | None]  # None where none would do


_copies: weakref.WeakKeyDictionary[nn.Module, _Copies] = weakref.WeakKeyDictionary()
"""Beside the networks, not in them: nothing of it is saved, sent or copied with one."""

_making = threading.RLock()


def _for_onednn(x: Tensor) -> bool:
    """Whether images are what oneDNN computes with, and not the stand-ins of a compiler."""
    able = torch._C._has_mkldnn and torch._C._get_mkldnn_enabled()
    usual = type(x) is Tensor and x.device.type == "cpu" and x.dtype == torch.float32
    return able and usual and not torch.compiler.is_compiling()


def _made(net: nn.Module, now: Snapshot, number_type: torch.dtype, integers: bool, shape: torch.Size) -> Compute | None:
    """A copy of a network as it is now, or None."""
    if not (now.plain and all(_usual(tensor) for tensor in now.tensors) and _multiplied(number_type)):
        return None
    # A bias in full is more exact, where oneDNN takes one beside reduced weights.
    kinds = [Numbers(number_type, bias) for bias in dict.fromkeys((torch.float32, number_type))]
    if integers:  # once, as rounding weights is slow; few biases are left outside of integers
        kinds.insert(0, Numbers(number_type, number_type, integers))
    for numbers in kinds:
        try:
            graph = fuse(net, numbers)
            if graph is None:
                continue
            copy: Compute = _OneByOne(graph) if numbers.integers else _Copy(graph)
            if _agree(net, copy, shape, numbers.integers):
                return copy
            reason = "its features differ"
        except Exception as error:  # networks refuse to be traced, and oneDNN refuses layers, by any kind of error
            reason = f"{type(error).__name__}: {error}"
        _log.debug("no fused copy of %s in %s: %s", type(net).__name__, numbers, reason)
    return None


def _usual(tensor: Tensor) -> bool:
    """Whether a copy can be made of a tensor, and its changes be told."""
    full = tensor.dtype == torch.float32 or not tensor.is_floating_point()
    return full and tensor.device.type == "cpu" and not tensor.is_inference()


def _multiplied(number_type: torch.dtype) -> bool:
    """Whether oneDNN computes in a type of number on this processor."""
    if number_type == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return number_type == torch.float32


class _Copy:
    """A fused graph, of images in the layout of its weights."""

    def __init__(self, graph: fx.GraphModule):
        self._compute: Compute = graph.forward

    def __call__(self, x: Tensor) -> Sequence[Tensor]:
        return self._compute(x.contiguous(memory_format=torch.channels_last))


class _OneByOne(_Copy):
    """A graph in integers: their steps are those of one image, so that no result depends on what else is seen."""

    def __call__(self, x: Tensor) -> Sequence[Tensor]:
        if len(x) == 1:
            return super().__call__(x)
        return [torch.cat(level) for level in zip(*map(super().__call__, torch.split(x, 1)), strict=True)]


def _agree(net: nn.Module, copy: Compute, shape: torch.Size, integers: bool) -> bool:
    """Whether a copy gives of noise what its network gives, within rounding."""
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0), device="cpu")
    noise = noise.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", enabled=False):
        exact = net(noise)
    given, own = copy(noise), net(noise) if torch.is_autocast_enabled("cpu") else exact
    return len(given) == len(own) and all(
        level.shape == as_is.shape
        and level.dtype in (as_is.dtype, true.dtype)
        and _error(level, true) <= (IN_INTEGERS if integers else AGREEMENT + ROUNDING * _error(as_is, true))
        for level, as_is, true in zip(given, own, exact, strict=True)  # not where one is no number
    )


def _error(level: Tensor, true: Tensor) -> float:
    return float((level.float() - true).norm() / true.norm().clamp_min(1e-30))
