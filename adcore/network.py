"""timm networks as a recipe asks for them: named, sized and matched with weights before anything is computed."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar

import timm
import torch
from torch import Tensor, nn
from torch.nn import init
from torch.overrides import TorchFunctionMode

from adcore.errors import UserError
from adcore.listing import listed
from adcore.weights import PRETRAINED, RANDOM, Match, canonical, hub_file, load_state, match_state

_RESERVED = {
    *("features_only", "out_indices", "in_chans"),
    *("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path"),
}
_ANY_SIZE: tuple[dict[str, Any], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})
_COUNTER = "num_batches_tracked"
_WRAPPERS = ("model.", "body.")  # what timm's FeatureGetterNet and FeatureHookNet put before a network's own names


class Network:
    """One of timm's ``features_only`` networks.

    All about it is learned from sketches on the meta device, which cost milliseconds and no memory.

    Attributes:
        model: timm's name of it.
        options: arguments to it, with the one that makes it take any size of image, where it has one.
        config: timm's description of its pretrained weights.
        channels: of every level that it offers.
        strides: of every level that it offers.
    """

    def __init__(self, model: str, options: Mapping[str, Any] | None = None):
        """Look a network up.

        Args:
            model: timm's name, with or without the tag of its weights.
            options: arguments to ``timm.create_model``.

        Raises:
            UserError: timm has no such network, or it refuses an option.
        """
        self.model = model
        self.config = _config(model)
        self.options = dict(options or {})
        if reserved := _RESERVED.intersection(self.options):
            raise UserError(f"options: {', '.join(sorted(reserved))} is adcore's to set; leave it out")
        sketch = self._size_freely()
        self.channels = tuple(level["num_chs"] for level in sketch.feature_info.info)
        self.strides = tuple(level["reduction"] for level in sketch.feature_info.info)

    @property
    def native_size(self) -> tuple[int, int]:
        """Height and width that it was made for."""
        size = self.options.get("img_size", self.config.input_size[1:])
        return (size, size) if isinstance(size, int) else (size[0], size[1])

    def sketch(self, levels: Sequence[int] | None = None) -> Any:
        """The network on the meta device, in eval mode."""
        with torch.device("meta"), _Undrawn():
            return self._create(levels).eval()

    def build(self, levels: Sequence[int], seed: int) -> nn.Module:
        """The network on the CPU; its random weights depend on the seed alone."""
        with torch.device("cpu"), _seeded(seed):
            net: nn.Module = self._create(levels)
        return net

    def build_with(self, levels: Sequence[int], state: dict[str, Tensor]) -> nn.Module:
        """The network on the CPU with the weights that `weights` gave; none is drawn before."""
        with torch.device("cpu"), _Undrawn(), _seeded(0):
            net: nn.Module = self._create(levels)
        counters = {name: tensor for name, tensor in net.state_dict().items() if name.endswith(_COUNTER)}
        net.load_state_dict(counters | state)
        return net

    def checked_levels(self, levels: Sequence[int] | None) -> list[int]:
        """The levels asked for, or the default ones.

        Raises:
            UserError: there is no such level, or they do not increase.
        """
        if levels is None:
            return default_levels(self.strides)
        if not levels or not all(0 <= level < len(self.strides) for level in levels):
            table = [f"{n} ({self.channels[n]} channels, stride {stride})" for n, stride in enumerate(self.strides)]
            raise UserError(f"levels: {[*levels]} are not among those of timm's {self.model}: {', '.join(table)}")
        if sorted(set(levels)) != [*levels]:
            raise UserError(f"levels: {[*levels]} do not increase; write {sorted(set(levels))}")
        return [*levels]

    def weights(self, source: str, levels: Sequence[int]) -> dict[str, Tensor]:
        """Weights of every layer that the levels use, by the names in what `build` returns.

        Args:
            source: ``pretrained`` for timm's hub, or a file.
            levels: what is used.

        Raises:
            UserError: they cannot be had, lack a layer, or belong to another architecture.
        """
        path = self._hub_file() if source == PRETRAINED else source
        # BatchNorm counts batches for its momentum alone, and many files leave the counters out.
        state = {name: tensor for name, tensor in load_state(path).items() if not name.endswith(_COUNTER)}
        wrapper, wanted = self._wanted(levels)
        try:
            match = match_state(state, wanted)
            if not match.complete:
                match = self._translated(state, match, wanted)
        except ValueError as error:
            raise UserError(f"weights: {path} holds several networks: {error}; save one of them alone") from error

        if strange := self._strange(match, wanted):
            raise UserError(f"weights: {path} is not for timm's {self.model}: {strange}")
        if match.missing:
            raise UserError(
                f"weights: {path} lacks layers that levels {[*levels]} of timm's {self.model} need: "
                f"{listed(match.missing)}; {self._held(match, levels)}"
            )
        return {wrapper + name: tensor for name, tensor in match.tensors.items()}

    @cached_property
    def _whole(self) -> Any:
        """Sketch of the network with all of its layers, also those that no level needs."""
        with torch.device("meta"), _Undrawn():
            return timm.create_model(self.model, **self.options)

    def _create(self, levels: Sequence[int] | None) -> Any:
        chosen: dict[str, Any] = {} if levels is None else {"out_indices": tuple(levels)}
        return timm.create_model(self.model, features_only=True, **chosen, **self.options)

    def _size_freely(self) -> Any:
        """Add the option for any size of image that the network knows, if it needs one; returns a sketch."""
        given = {"img_size", "dynamic_img_size", "strict_img_size"}.intersection(self.options)
        stated, refused = self.options, None
        for option in _ANY_SIZE if self.config.fixed_input_size and not given else _ANY_SIZE[-1:]:
            self.options = {**stated, **option}
            try:
                return self.sketch()
            except Exception as error:  # a network refuses by any kind of error
                refused = error
        with_options = f" with options {stated}" if stated else ""
        raise UserError(f"timm cannot build {self.model}{with_options}: {refused}") from refused

    def _hub_file(self) -> str:
        if not self.config.hf_hub_id:
            where = f"download {self.config.url} and write" if self.config.url else "write"
            raise UserError(f"timm's hub has no weights for {self.model}; {where} weights: PATH, or weights: {RANDOM}")
        return str(hub_file(self.config.hf_hub_id, self.config.hf_hub_filename))

    def _wanted(self, levels: Sequence[int]) -> tuple[str, dict[str, Tensor]]:
        """What timm's wrapper puts before names, and the tensors that the levels use, without it."""
        state = self.sketch(levels).state_dict()
        wrapper = next((w for w in _WRAPPERS if all(name.startswith(w) for name in state)), "")
        return wrapper, {n.removeprefix(wrapper): t for n, t in state.items() if not n.endswith(_COUNTER)}

    def _translated(self, state: Mapping[str, Tensor], match: Match, wanted: Mapping[str, Tensor]) -> Match:
        """A better match by timm's own translation from the format of the network's first authors, where it has one."""
        translate = getattr(sys.modules[timm.model_entrypoint(self.model).__module__], "checkpoint_filter_fn", None)
        if translate is None:
            return match
        start = len(match.prefix)
        bare = {name[start:]: tensor for name, tensor in state.items() if name.startswith(match.prefix)}
        try:
            translated = match_state(translate(bare, self._whole), wanted)
        except Exception:  # what it cannot read, it was not made for
            return match
        return max(match, translated, key=lambda m: len(m.tensors))

    def _held(self, match: Match, levels: Sequence[int]) -> str:
        """What a checkpoint without all layers can be used for."""
        held: list[int] = []
        for level in range(max(levels) + 1):
            _, needed = self._wanted([level])
            if not needed.keys() <= match.tensors.keys():
                _, before = self._wanted(held) if held else ("", {})
                if match.tensors.keys() & (needed.keys() - before.keys()):
                    return f"level {level} is there in part: give complete weights of this very network"
                break
            held.append(level)
        return f"it holds levels {held}: choose among them or give complete weights"

    def _strange(self, match: Match, wanted: Mapping[str, Tensor]) -> str:
        """Why a checkpoint is of another architecture, or nothing."""
        if not match.tensors and not match.misfits:
            return f"it has none of {listed([*wanted])}; its own are {listed([*match.spare])}"
        if match.misfits:
            sizes = [f"{name} is {have} there and {need} here" for name, (have, need) in match.misfits.items()]
            return listed(sizes, most=1)
        used = {group for name in wanted for group, _ in _numbered(name)}
        known = {block for name in self._whole.state_dict() for _, block in _numbered(name)}
        beyond = [n for n in match.spare if any(g in used and block not in known for g, block in _numbered(n))]
        return f"it has more blocks: {listed(beyond)}" if beyond else ""


def default_levels(strides: Sequence[int]) -> list[int]:
    """Levels that carry anomaly detection, from the strides of all.

    The last of each stride from 4 to 16 (mid levels, as in PatchCore, Roth et al., CVPR 2022); of a plain transformer,
    whose levels share one stride, the ends of the quarters of its depth (as in AnomalyGPT, Gu et al., AAAI 2024).

    >>> default_levels([2, 4, 8, 16, 32]), default_levels([14] * 12)
    ([1, 2, 3], [2, 5, 8, 11])
    """
    depth = len(strides)
    if len(set(strides)) == 1:
        return sorted({max(0, depth * quarter // 4 - 1) for quarter in (1, 2, 3, 4)})
    last = {stride: level for level, stride in enumerate(strides)}
    return [level for stride, level in last.items() if 4 <= stride <= 16] or [0]


def _config(model: str) -> Any:
    if not timm.is_model(model):
        close = difflib.get_close_matches(model, timm.list_models(), n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "timm.list_models() has the names"
        raise UserError(f"model: timm has no network {model!r}; {hint}")
    try:
        return timm.get_pretrained_cfg(model)
    except RuntimeError as error:
        tagged = timm.list_pretrained(f"{model.split('.')[0]}.*")
        raise UserError(f"model: timm has no weights {model!r}; it has {', '.join(tagged) or 'none'}") from error


def _numbered(name: str) -> Iterator[tuple[str, str]]:
    """Groups of numbered blocks on the way to a tensor: ``layer1.0.conv1.weight`` -> (layer1, layer1_0)."""
    parts = canonical(name).split("_")
    for i, part in enumerate(parts):
        if part.isdigit():
            yield "_".join(parts[:i]), "_".join(parts[: i + 1])


class _Undrawn(TorchFunctionMode):
    """Inside, tensors keep what they hold where random numbers would fill them: of weights that come from elsewhere."""

    _DRAWS: ClassVar[set[Any]] = {Tensor.normal_, Tensor.uniform_, init.normal_, init.uniform_, init.kaiming_uniform_}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in self._DRAWS:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw from a seed inside, and leave every global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed the GPUs too
        yield
