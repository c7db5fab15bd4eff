"""What a Fuser promises."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from adcore.errors import AdcoreWarning
from adcore.interfaces import Fuser, State
from adcore.store import load_tensors, save_tensors
from adcore.testing import inputs
from adcore.testing.checks import check, require
from adcore.testing.conduct import use
from adcore.testing.subject import Subject

_ONE = "join the branches along a new first dimension and reduce that one: torch.stack([*maps.values()]).mean(0)"
_FINITE = "guard divisions: by a spread that may be 0, by .clamp_min(1e-6)"


@use("fuser")
def _use(fuser: Fuser) -> None:
    fuser.fuse(_maps(), fuser.fit(inputs.maps()))


def _maps() -> dict[str, Tensor]:
    """Maps of two images, normal in their left half and anomalous in their right, float [2, h, w]."""
    return _planted(2)


def _planted(count: int) -> dict[str, Tensor]:
    """Maps of so many images, normal in their left half and anomalous in their right, float [count, h, w]."""
    maps = inputs.maps(seed=1, count=count)
    for values in maps.values():
        values[..., values.shape[-1] // 2 :] *= 3
    return maps


def _fused(fuser: Fuser, maps: Mapping[str, Tensor], state: State) -> Tensor:
    """The fused map, found to be what the contract says."""
    shape = next(iter(maps.values())).shape
    fused = fuser.fuse({branch: values.clone() for branch, values in maps.items()}, state)
    require(isinstance(fused, Tensor), f"fuse returned a {type(fused).__name__}, no tensor", _ONE)
    require(fused.shape == shape, f"fuse made {[*fused.shape]} of maps {[*shape]}", _ONE)
    require(fused.is_floating_point(), f"the fused map is {fused.dtype}, not float", _ONE)
    require(bool(fused.isfinite().all()), "the fused map holds NaN or infinity", _FINITE)
    return fused


@check("fuser", _ONE)
def one_map_of_the_same_shape(subject: Subject) -> None:
    """``fuse`` makes one finite float [B, h, w] of the maps [B, h, w] of the branches, or of one alone."""
    fuser = subject.build()
    state = fuser.fit(inputs.maps())
    for branches in (["reference", "contrastive"], ["contrastive", "reference"], ["reference"], ["contrastive"]):
        _fused(fuser, {branch: _maps()[branch] for branch in branches}, state)


@check("fuser", "set `scaled = True` on the class if `fuse` needs what `fit` learns; else use no state")
def unscaled_without_fit(subject: Subject) -> None:
    """A fuser whose ``scaled`` is False can fuse with an empty state."""
    fuser = subject.build()
    if not fuser.scaled:
        _fused(fuser, _maps(), {})


@check("fuser", "join with weights above 0, and scale each map by an increasing function")
def monotone(subject: Subject) -> None:
    """Where a map rises, the fused map does not fall anywhere."""
    fuser = subject.build()
    state, maps = fuser.fit(inputs.maps()), _maps()
    before = _fused(fuser, maps, state)
    for branch, values in maps.items():
        for share in (0.1, 1.0):
            rise = share * torch.rand(values.shape, generator=inputs.generator(2))
            rise *= torch.rand(values.shape, generator=inputs.generator(3)) < 0.5  # at every second pixel
            after = _fused(fuser, {**maps, branch: values + rise}, state)
            fall = float((before - after).max())
            require(
                fall <= 1e-5 * max(1.0, float(before.abs().max())),
                f"raising {branch!r} lowered the result by {fall:.2g}",
            )


@check("fuser", "scale by a strictly increasing function: no clipping, no rounding, no threshold")
def one_map_keeps_its_ranking(subject: Subject) -> None:
    """With one map, higher values stay higher, also beyond what was seen of normal images."""
    fuser = subject.build()
    for branch in ("reference", "contrastive"):
        state = fuser.fit(inputs.maps(branches=(branch,)))
        values = torch.linspace(0, 3, 120).view(1, *inputs.CELLS[0])
        steps = _fused(fuser, {branch: values}, state).flatten().diff()
        require(bool((steps > 0).all()), f"{int((steps <= 0).sum())} of {len(steps)} steps up in {branch!r} were lost")


@check("fuser", "begin with joined = adcore.fusing.stacked(maps), which refuses NaN and names the branch")
def nan_is_refused(subject: Subject) -> None:
    """A map that holds NaN is refused with a ValueError."""
    fuser, maps = subject.build(), _maps()
    state = fuser.fit(inputs.maps())
    maps["contrastive"][0, 1, 2] = float("nan")
    try:
        fuser.fuse(maps, state)
    except ValueError:
        return
    require(False, "a map with NaN was fused without an error")


@check("fuser", "keep in the state all that `fuse` needs, as tensors, and nothing on self")
def state_survives_a_file(subject: Subject) -> None:
    """What ``fit`` returns, saved as safetensors and read back, gives the same map in another instance."""
    fuser, maps = subject.build(), _maps()
    state = fuser.fit(inputs.maps())
    with tempfile.TemporaryDirectory() as folder:
        save_tensors(Path(folder) / "state.safetensors", state)
        restored = load_tensors(Path(folder) / "state.safetensors")
    other = subject.build()
    other.fit(inputs.maps(seed=7))
    require(torch.equal(_fused(fuser, maps, state), _fused(other, maps, restored)), "the map changed")


@check("fuser", "let `learn` return all that `fuse` needs, with weights of at least 0, as `fit` does")
def learned_state(subject: Subject) -> None:
    """What ``learn`` returns, also of no anomaly at all, is monotone, keeps one map's ranking, the same again."""
    fuser = subject.build()
    if not fuser.simulates:
        pytest.skip("it learns nothing of simulated anomalies")
    for branches in (("reference", "contrastive"), ("reference",), ("contrastive",)):
        for count in (12, 0):
            normals = inputs.maps(count=6, branches=branches)
            simulated = {branch: values[:count] for branch, values in _planted(12).items() if branch in branches}
            masks = next(iter(simulated.values())) > 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AdcoreWarning)  # too little to learn from
                state, again = fuser.learn(normals, simulated, masks), subject.build().learn(normals, simulated, masks)
            maps = {branch: values for branch, values in _maps().items() if branch in branches}
            before = _fused(fuser, maps, state)
            require(torch.equal(before, _fused(fuser, maps, again)), "a second `learn` gave another map")
            for branch, values in maps.items():
                fall = float((before - _fused(fuser, {**maps, branch: values + 0.5}, state)).max())
                require(fall <= 1e-5 * max(1.0, float(before.abs().max())), f"raising {branch!r} lowered the result")
            if len(branches) == 1:
                ramp = torch.linspace(0, 3, 120).view(1, *inputs.CELLS[0])
                lost = int((_fused(fuser, {branches[0]: ramp}, state).flatten().diff() <= 0).sum())
                require(not lost, f"{lost} steps up in {branches[0]!r} alone were lost")


@check("fuser", "compute out of place: values * weight, not values.mul_(weight)")
def input_untouched(subject: Subject) -> None:
    """``fit`` and ``fuse`` leave the maps as they were."""
    fuser, normals, maps = subject.build(), inputs.maps(), _maps()
    kept = {
        name: {key: value.clone() for key, value in each.items()} for name, each in (("fit", normals), ("fuse", maps))
    }
    fuser.fuse(maps, fuser.fit(normals))
    for name, each in (("fit", normals), ("fuse", maps)):
        for branch in kept[name]:
            require(torch.equal(each[branch], kept[name][branch]), f"{name} changed the map {branch!r}")
