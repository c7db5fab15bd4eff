"""Numerical precision of the backbone and of searching: what a recipe's word means on a device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from adcore.errors import UserError

Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed", "int8-mixed"]
"""As Lightning Fabric names it; ``int8-mixed``, which has no training; and ``auto``."""

_TYPES = {
    "32-true": torch.float32,
    "bf16-mixed": torch.bfloat16,
    "16-mixed": torch.float16,
    "int8-mixed": torch.bfloat16,
}

_integers: ContextVar[bool] = ContextVar("integers", default=False)
_finer: ContextVar[Literal["floats", "full"] | None] = ContextVar("finer", default=None)


def resolved(precision: str, device: torch.device, heavy: bool = True) -> str:
    """The precision that is computed with.

    ``auto`` is ``int8-mixed`` for heavy networks where the device multiplies 8-bit integers in hardware: a CPU with
    AVX512-VNNI or AMX. Else it is ``bf16-mixed`` where that multiplies matrices of bfloat16: a CUDA device of compute
    capability 8.0 or more, a CPU with AMX or AVX512-BF16. Elsewhere it is ``32-true``.

    Args:
        precision: as a recipe names it.
        device: that computes.
        heavy: whether the network takes less time in integers.

    Raises:
        UserError: there is no such precision, or not on this device.
    """
    if precision not in get_args(Precision):
        raise UserError(f"precision: '{precision}' is none of {', '.join(get_args(Precision))}")
    if precision == "16-mixed" and device.type != "cuda":
        raise UserError("precision: 16-mixed needs a CUDA device; write bf16-mixed or auto")
    if precision == "int8-mixed" and not multiplies_int8(device):
        raise UserError("precision: int8-mixed needs a CPU with AVX512-VNNI or AMX; write auto")
    if precision != "auto":
        return precision
    if heavy and multiplies_int8(device):
        return "int8-mixed"
    return "bf16-mixed" if _multiplies_bfloat16(device) else "32-true"


def number_type(precision: str) -> torch.dtype:
    """The type of number of a resolved precision; ``int8-mixed``: of what is not in integers. In `in_full` float32."""
    return torch.float32 if _finer.get() == "full" else _TYPES[precision]


@contextmanager
def computing_in(precision: str, device: torch.device) -> Iterator[None]:
    """Let networks compute in a resolved precision, or in a finer one where `in_floats` or `in_full` says so.

    In ``int8-mixed`` networks that cannot be computed in integers, see `adcore.fused`, compute in bfloat16 where the
    device multiplies it, and else in full.
    """
    slow = precision == "int8-mixed" and not _multiplies_bfloat16(device)
    reduced = torch.float32 if slow else number_type(precision)
    before = _integers.set(precision == "int8-mixed" and _finer.get() is None)
    try:
        with torch.autocast(device.type, reduced if reduced != torch.float32 else None, reduced != torch.float32):
            yield
    finally:
        _integers.reset(before)


@contextmanager
def in_floats() -> Iterator[None]:
    """Let networks inside compute without integers, whatever `computing_in` says."""
    before = _finer.set(_finer.get() or "floats")
    try:
        yield
    finally:
        _finer.reset(before)


@contextmanager
def in_full() -> Iterator[None]:
    """Let networks inside compute in float32, and nearest patches be found in it, whatever else is said."""
    before = _finer.set("full")
    try:
        yield
    finally:
        _finer.reset(before)


def rounding(precision: str) -> bool:
    """Whether a resolved precision computes in less than float32 here."""
    return number_type(precision) != torch.float32


def in_integers() -> bool:
    """Whether convolutions may be computed in 8-bit integers."""
    return _integers.get()


class FirstConv2d(nn.Conv2d):
    """A convolution of images, computed in full where autocast reduces the others, and then rounded as theirs are.

    Images and the filters that look for small differences in them lose most by rounding: a third of the error of all
    features of a ResNet comes from here.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The convolution, in the type of number that autocast asks for."""
        device = input.device.type
        reduced = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else input.dtype
        with torch.autocast(device, enabled=False):
            return super().forward(input.float()).to(reduced)


def first_in_full(network: nn.Module) -> None:
    """Let the first convolution of a network compute in full precision; its weights and their names stay."""
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    if type(first) is nn.Conv2d:  # others have a forward of their own
        first.__class__ = FirstConv2d


def multiplies_int8(device: torch.device) -> bool:
    """Whether a device multiplies matrices of 8-bit integers in hardware: CPUs with AVX512-VNNI or AMX."""
    return device.type == "cpu" and hasattr(torch, "_int_mm") and _capable("avx512_vnni", "amx_int8")


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return _capable("amx_bf16", "avx512_bf16")


def _capable(*names: str) -> bool:
    """Whether the CPU has one of these instruction sets."""
    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(able.get(name) for name in names)
