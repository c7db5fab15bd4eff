"""Weights from files and from the hub: read without unpickling code, and fitted to a network by name and shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from adcore.errors import UserError

PRETRAINED = "pretrained"
"""Weights from timm's hub, or its local cache."""

RANDOM = "none"
"""Random weights, drawn from the recipe's seed."""

HUB_TIMEOUT = 5.0
"""Seconds to wait for the hub; its own client retries for minutes."""

_TORCH_SUFFIXES = (".pth", ".pt", ".bin", ".tar")


def load_state(path: str | Path, names: Sequence[str] = (PRETRAINED, RANDOM)) -> dict[str, Tensor]:
    """Read every tensor of a weights file, on the CPU.

    Nested checkpoints come out flat: ``{"state_dict": {"conv1.weight": ...}}`` is ``state_dict.conv1.weight``. What is
    no tensor (an epoch, an optimiser's settings) is left out.

    Args:
        path: a ``.safetensors`` file, or ``.pth``, ``.pt``, ``.bin`` as PyTorch saves them, loaded weights-only.
        names: what the component takes in place of a file; an error offers them.

    Raises:
        UserError: the file is missing, damaged, of another kind, or holds no named tensors.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(f"weights: {path} is no file; write an existing file, {' or '.join(map(repr, names))}")
    if file.suffix != ".safetensors" and file.suffix not in _TORCH_SUFFIXES:
        raise UserError(f"weights: {path} is no kind of weights file; give .safetensors, .pth, .pt or .bin")
    try:
        if file.suffix == ".safetensors":
            content: Any = load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damage shows as almost any error, from five libraries
        raise UserError(
            f"weights: {path} cannot be read ({_reason(error)}): it is damaged, or holds more than tensors, which is "
            "never unpickled; save its state_dict as .safetensors"
        ) from error
    state = dict(_tensors(content)) if isinstance(content, Mapping) else {}
    if not state:
        raise UserError(f"weights: {path} holds no named tensors; save a network's state_dict")
    return state


def hub_file(repo: str, filename: str | None = None) -> Path:
    """The weights file of a repository on the Hugging Face hub: from the local cache, else downloaded.

    Args:
        repo: such as ``timm/resnet18.tv_in1k``, with ``@revision`` where one is meant.
        filename: of the weights, where it is not one of the usual two.

    Raises:
        UserError: it is not cached and the hub cannot be reached, or does not have it.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError

    repo, _, revision = repo.partition("@")
    revision = revision or "main"
    filenames = [filename] if filename else ["model.safetensors", "pytorch_model.bin"]
    for name in filenames:
        cached = try_to_load_from_cache(repo, name, revision=revision)
        if isinstance(cached, str):
            return Path(cached)
    remedy = f"download the weights elsewhere and write weights: PATH (or weights: {RANDOM} for random ones)"
    for name in filenames:
        try:
            # One look without retries, so that an unreachable hub is known in seconds and not in minutes.
            get_hf_file_metadata(hf_hub_url(repo, name, revision=revision), timeout=HUB_TIMEOUT)
            return Path(hf_hub_download(repo, name, revision=revision))
        except EntryNotFoundError:
            continue
        except Exception as error:  # by its version, the hub's client raises errors of requests, httpx or its own
            raise UserError(f"the hub cannot give the weights {repo} ({_reason(error)}); {remedy}") from error
    raise UserError(f"the hub has no {' or '.join(filenames)} in {repo}; {remedy}")


@dataclass(frozen=True)
class Match:
    """How a checkpoint fits a network.

    Attributes:
        tensors: those that fit, by the network's names.
        missing: the network's names that the checkpoint does not have.
        misfits: names in both, with other shapes: name -> (shape in the checkpoint, shape in the network).
        spare: tensors that the network does not have, by the checkpoint's names without their common prefix.
        prefix: what the checkpoint puts in front of the network's names.
    """

    tensors: dict[str, Tensor]
    missing: list[str]
    misfits: dict[str, tuple[list[int], list[int]]]
    spare: dict[str, Tensor]
    prefix: str

    @property
    def complete(self) -> bool:
        """Whether every tensor of the network has its weights."""
        return not self.missing and not self.misfits


def match_state(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Match:
    """Find a network's tensors in a checkpoint, whatever wrapper it was saved from.

    A prefix (``module.``, ``state_dict.backbone.``) is found by trying all that occur. ``layers_0.x`` and
    ``layers.0.x`` are one name, because timm renames so in networks that only extract features.

    Args:
        state: the checkpoint.
        wanted: the network's state dict; only shapes are looked at.

    Raises:
        ValueError: several parts of the checkpoint fit equally well (a student and a teacher, say).
    """
    names = {canonical(name): name for name in state}

    def fit(prefix: str) -> tuple[int, int]:
        found = [(names.get(canonical(prefix + name)), tensor.shape) for name, tensor in wanted.items()]
        hits = [(state[name].shape, shape) for name, shape in found if name is not None]
        return sum(have == need for have, need in hits), len(hits)

    prefix = ""
    if fit(prefix)[0] < len(wanted):
        prefixes = {"", *(p for name in state for p in accumulate(f"{part}." for part in name.split(".")[:-1]))}
        fits = {p: fit(p) for p in prefixes}
        prefix = min(prefixes, key=lambda p: (-fits[p][0], -fits[p][1], len(p), p))
        rivals = [p for p in prefixes if p != prefix and fits[p] == fits[prefix] and fits[p][0]]
        if rivals:
            raise ValueError(f"{prefix.rstrip('.') or 'its top level'} and {rivals[0].rstrip('.')} fit equally well")

    found = {name: names.get(canonical(prefix + name)) for name in wanted}
    tensors = {name: state[source] for name, source in found.items() if source is not None}
    misfits = {
        name: (list(tensor.shape), list(wanted[name].shape))
        for name, tensor in tensors.items()
        if tensor.shape != wanted[name].shape
    }
    used = set(found.values())
    return Match(
        tensors={name: tensor for name, tensor in tensors.items() if name not in misfits},
        missing=[name for name, source in found.items() if source is None],
        misfits=misfits,
        spare={
            name.removeprefix(prefix): tensor
            for name, tensor in state.items()
            if name.startswith(prefix) and name not in used
        },
        prefix=prefix,
    )


def canonical(name: str) -> str:
    """One spelling for a tensor's name with and without flattened containers."""
    return name.replace(".", "_")


def _tensors(content: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for key, value in content.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{key}", value
        elif isinstance(value, Mapping):
            yield from _tensors(value, f"{prefix}{key}.")


def _reason(error: BaseException) -> str:
    """First line of an error, short enough to stand in another's message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__
