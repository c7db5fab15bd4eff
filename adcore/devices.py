"""Devices as recipes and commands name them."""

from __future__ import annotations

import torch

from adcore.errors import UserError


def device_named(words: str) -> torch.device:
    """The device that ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>`` means here.

    Raises:
        UserError: there is no such device.
    """
    if words == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(words)
    except RuntimeError:
        raise UserError(f"device: '{words}' is no device; write auto, cpu, cuda or cuda:<n>") from None
    if device.type not in ("cpu", "cuda") or (device.type == "cpu" and device.index):
        raise UserError(f"device: '{words}' is not supported; write auto, cpu, cuda or cuda:<n>")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"device: '{words}' is not there ({torch.cuda.device_count()} CUDA devices); write cpu")
    return device


def check_devices(count: int, first: torch.device) -> None:
    """Refuse to train on more devices than there are, from the first on; a CPU takes any number of processes.

    Raises:
        UserError: there are fewer.
    """
    there = torch.cuda.device_count() - (first.index or 0) if first.type == "cuda" else count
    if count > there:
        raise UserError(f"training.devices: from {first} on there are {there} CUDA devices, {count} are asked for")
