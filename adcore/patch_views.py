"""Settings of matchers that see images as patches: further views of the references, levels, grid, foreground."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.augmentation import rotate
from adcore.errors import UserError
from adcore.folds import content, evenly_chosen
from adcore.foreground import foreground, learn_foreground
from adcore.interfaces import Features, ReferenceMatcher, State
from adcore.scoring import nearest_grid, on_finest_grid

MOST_SHOWN = 32
"""References from which foreground is told from background, at most."""

AUTO = "auto"
"""The value of a setting that is left to be chosen for each context."""


class ReferenceViews(ReferenceMatcher):
    """Settings of every matcher that looks at further views of the references.

    Attributes:
        candidates: by setting that may be ``auto``, what is chosen from, the plain value first.
        automatic: the settings that are.
    """

    candidates: ClassVar[Mapping[str, tuple[Any, ...]]] = {"rotations": (1, 4)}

    def __init__(self, rotations: int | Literal["auto"] = 1, flips: bool = False):
        """Configure the matcher.

        Args:
            rotations: number of evenly spaced rotations of each reference, 1 for none. Where orientation can be the
                defect, leave it at 1. ``auto`` chooses 1 or 4 for each context.
            flips: add the mirror image of each view.
        """
        self.automatic: tuple[str, ...] = ()
        self.rotations: int = self._or_plain("rotations", rotations)
        if self.rotations < 1:
            raise UserError(f"matcher.rotations: {rotations} must be at least 1")
        self.flips = flips

    def choices(self) -> dict[str, tuple[Any, ...]]:
        """The candidates of each automatic setting."""
        return {name: self.candidates[name] for name in self.automatic}

    def chosen(self, values: Mapping[str, Any]) -> ReferenceMatcher:
        """A copy with these values; what is not named keeps its plain one."""
        twin = copy.copy(self)
        for name in self.automatic:
            setattr(twin, name, values.get(name, self.candidates[name][0]))
        return twin

    def augment(self, images: Tensor) -> Tensor:
        """Rotated (about the centre, edges repeated) and mirrored views of each reference, [k * v, 3, H, W]."""
        views = [rotate(images, 360.0 * turn / self.rotations) for turn in range(self.rotations)]
        if self.flips:
            views += [view.flip(-1) for view in views]
        return torch.stack(views, 1).flatten(0, 1)

    def _or_plain(self, name: str, value: Any) -> Any:
        """The value of a setting; the plain one, to be chosen later, where it is ``auto``."""
        if value != AUTO:
            return value
        self.automatic += (name,)
        return self.candidates[name][0]


class PatchViews(ReferenceViews):
    """Settings of every matcher of patches: the grid, levels, neighbourhood, foreground, further views."""

    candidates: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **ReferenceViews.candidates,
        "levels": (None, "coarse"),
        "foreground": (False, True),
    }

    def __init__(
        self,
        grid: int = 32,
        neighbourhood: int = 3,
        levels: list[int] | Literal["coarse", "auto"] | None = None,
        foreground: bool | Literal["auto"] = False,
        **views: Any,
    ):
        """Configure the matcher.

        Args:
            grid: cells along the longer side of the map; the level nearest to it gives the grid.
            neighbourhood: side of the square of cells that each feature is averaged over, at its own level; odd.
            levels: which of the backbone's levels make the map, counted from 0; ``coarse`` takes all but the finest,
                null all, ``auto`` one of these two for each context.
            foreground: judge only the part and not the background, told apart by the first principal component of the
                reference patches; for parts on an even background, not for surfaces. ``auto`` decides for each context.
            **views: settings of `ReferenceViews`.
        """
        super().__init__(**views)
        if neighbourhood < 1 or neighbourhood % 2 == 0:
            raise UserError(f"matcher.neighbourhood: {neighbourhood} is not an odd number of cells; write 1, 3 or 5")
        if grid < 1:
            raise UserError(f"matcher.grid: {grid} must be at least 1")
        self.grid = grid
        self.neighbourhood = neighbourhood
        self.levels: list[int] | str | None = self._or_plain("levels", levels)
        self.foreground: bool = self._or_plain("foreground", foreground)

    def at_half_resolution(self) -> ReferenceMatcher:
        """A copy with half the grid."""
        twin = copy.copy(self)
        twin.grid = (self.grid + 1) // 2
        return twin

    def selected(self, count: int) -> list[int]:
        """Which of so many levels make the map.

        Raises:
            UserError: `levels` names one that the backbone does not give.
        """
        if self.levels is None:
            return list(range(count))
        if isinstance(self.levels, str):
            return list(range(min(1, count - 1), count))
        if not self.levels or max(self.levels) >= count or min(self.levels) < 0:
            raise UserError(f"matcher.levels: {[*self.levels]}, the backbone gives levels 0 to {count - 1}")
        return [*self.levels]

    def joined(self, features: Features, unit: bool = True) -> tuple[Tensor, tuple[int, int]]:
        """The selected levels as one vector for each cell, float [n, h * w, C], and the grid (h, w).

        Args:
            features: pyramid of n images.
            unit: bring each level of a patch to unit norm before they are joined.
        """
        pooled = self.pooled(features)
        levels = [pooled[i] for i in self.selected(len(pooled))]
        joined = torch.cat([F.normalize(m, dim=1) if unit else m for m in on_finest_grid(levels)], 1)
        h, w = joined.shape[-2:]
        return joined.flatten(2).transpose(1, 2).contiguous(), (h, w)

    def learn_foreground(self, references: Sequence[Features]) -> State:
        """What `masked` needs, from at most `MOST_SHOWN` references; nothing where there is no foreground to tell."""
        if not self.foreground:
            return {}
        shown = evenly_chosen([content(reference) for reference in references], MOST_SHOWN)
        first = [self.joined(first_view(references[place])) for place in shown]
        return learn_foreground(torch.cat([patches for patches, _ in first]), first[0][1])

    def masked(self, maps: Tensor, features: Features, state: State) -> Tensor:
        """Maps [n, h, w] of n images, 0 in the background where `foreground` is set."""
        if not self.foreground:
            return maps
        mask = foreground(self.joined(features)[0], state)[:, None]
        return maps * F.interpolate(mask, maps.shape[-2:], mode="nearest")[:, 0]

    def pooled(self, features: Features) -> list[Tensor]:
        """Neighbourhood averages of each level, no finer than the grid, float [n, C_l, h_l, w_l]."""
        h, w = nearest_grid(features, self.grid)
        levels = []
        for level in features:
            level = level.float()
            if self.neighbourhood > 1:
                level = F.avg_pool2d(level, self.neighbourhood, 1, self.neighbourhood // 2, count_include_pad=False)
            if level.shape[-2] > h or level.shape[-1] > w:
                level = F.adaptive_avg_pool2d(level, (min(h, level.shape[-2]), min(w, level.shape[-1])))
            levels.append(level)
        return levels


def first_view(reference: Features) -> Features:
    """The pyramid [1, C_l, H_l, W_l] of a reference without its further views."""
    return tuple(level[:1] for level in reference)
