"""Numerical precision of the backbone and of searching: what a recipe's word means on a device."""

from __future__ import annotations

import functools
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from adcore.errors import UserError

Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
"""As Lightning Fabric names it, and ``auto``."""

_TYPES = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def resolved(precision: str, device: torch.device) -> str:
    """The precision that is computed with.

    ``auto`` is ``bf16-mixed`` where the device multiplies matrices of bfloat16 in hardware: a CUDA device of compute
    capability 8.0 or more, a CPU with AMX or AVX512-BF16. Elsewhere it is ``32-true``.

    Raises:
        UserError: there is no such precision, or not on this device.
    """
    if precision not in get_args(Precision):
        raise UserError(f"precision: '{precision}' is none of {', '.join(get_args(Precision))}")
    if precision == "16-mixed" and device.type != "cuda":
        raise UserError("precision: 16-mixed needs a CUDA device; write bf16-mixed or auto")
    if precision != "auto":
        return precision
    return "bf16-mixed" if _multiplies_bfloat16(device) else "32-true"


def number_type(precision: str) -> torch.dtype:
    """The type of number of a resolved precision."""
    return _TYPES[precision]


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
    return device.type == "cpu" and _capable("avx512_vnni", "amx_int8") and _int8_by_onednn()


def multiply_int8(rows: Tensor, weight: Tensor, scales: Tensor, zeros: Tensor, bias: Tensor) -> Tensor:
    """Products of whole numbers and a bias, float32 [n, m].

    Args:
        rows: uint8 [n, C].
        weight: int8 [m, C] as ``qlinear_prepack`` laid it out.
        scales: float32 [m], of the products.
        zeros: int32 [m], which value of the weight is zero.
        bias: float32 [m].
    """
    multiply = torch.ops.onednn.qlinear_pointwise.default
    product: Tensor = multiply(rows, 1.0, 0, weight, scales, zeros, bias, 1.0, 0, torch.float32, "none", [], "")
    return product


@functools.cache
def _int8_by_onednn() -> bool:
    """Whether this PyTorch has the operations that `multiply_int8` asks for, and they are right."""
    try:
        weight = torch.ops.onednn.qlinear_prepack(torch.tensor([[-1, 127]], dtype=torch.int8), [1, 2])
        one, zero = torch.ones(1), torch.zeros(1, dtype=torch.int32)
        found = multiply_int8(torch.tensor([[3, 255]], dtype=torch.uint8), weight, one, zero, one)
        return found.tolist() == [[127 * 255 - 3 + 1]]
    except (AttributeError, RuntimeError, TypeError):
        return False


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return _capable("amx_bf16", "avx512_bf16")


def _capable(*names: str) -> bool:
    """Whether the CPU has one of these instruction sets."""
    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(able.get(name) for name in names)
