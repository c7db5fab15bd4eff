"""Matcher: PatchCore's memory bank."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from adcore import faiss_index
from adcore.coreset import k_centre_greedy, project
from adcore.errors import UserError
from adcore.folds import MOST_FOLDS, lot
from adcore.interfaces import State
from adcore.nearest import nearest
from adcore.patch_matcher import PatchMatcher
from adcore.self_similarity import distance_to_itself


class PatchCore(PatchMatcher):
    """Distance to the nearest patch in a memory bank, thinned out so that it still covers all reference patches.

    Source: PatchCore (Roth et al., CVPR 2022): neighbourhood averages, greedy k-centre coreset of randomly projected
    patches (section 3.2), re-weighting by the density of the bank (equation 7), here of each patch and not only of the
    farthest one.

    While fitting, at most `memory` of patches are held. Within that the coreset is the greedy one of all patches.
    Beyond it every reference first gives up its share: half of what it keeps is its own greedy k-centre coreset, half
    lies evenly over the image. Then no patch is farther from the bank than the covering radius of its own reference's
    coreset plus that of the bank over all that was kept, each at most twice the smallest possible (Gonzalez, 1985).
    """

    def __init__(
        self,
        ratio: float = 1.0,
        most: int = 20000,
        neighbours: int = 0,
        own: float = 0.0,
        memory: int = 320,
        index: Literal["exact", "faiss"] = "exact",
        **patches: Any,
    ):
        """Configure the matcher.

        Args:
            ratio: share of the reference patches that is kept; 1 keeps all, 0.01 to 0.1 suits hundreds of references.
            most: patches kept at most, whatever the ratio.
            neighbours: patches of the bank by which a distance is re-weighted; 0 leaves it. Meant for features that are
                not of unit norm (`unit: false`), as published.
            own: 0 compares with reference patches alone. Otherwise the image's own patches, outside a patch's
                neighbourhood, count as references too, at this many times their distance: what recurs in an image is
                hardly a defect. 1.15 suits surfaces and parts; few references gain the most.
            memory: MiB of patches that are held while fitting, at most.
            index: how the nearest patch is found. ``faiss`` is approximate and pays in banks above a million patches,
                for which `most` and `memory` have to be raised; it needs ``pip install 'adcore[faiss]'``.
            **patches: settings of `adcore.patch_matcher.PatchMatcher`.
        """
        super().__init__(**patches)
        if not 0 < ratio <= 1 or most < 1 or memory < 1 or neighbours < 0 or not 0 <= own < math.inf:
            raise UserError(
                f"matcher.ratio ({ratio}) must lie in (0, 1], most ({most}) and memory ({memory}) be at least 1, "
                f"neighbours ({neighbours}) and own ({own}) not negative"
            )
        if index == "faiss":
            faiss_index.check_installed()
            if neighbours:
                raise UserError("matcher.neighbours: is not offered with index: faiss; write 0, or index: exact")
        self.ratio = ratio
        self.most = most
        self.neighbours = neighbours
        self.own = own
        self.memory = memory
        self.index = index

    def learn(self, patches: Tensor) -> State:
        """The memory bank, float [M, C]."""
        return self.conclude(self.summarise(patches, 1))

    def summarise(self, patches: Tensor, references: int) -> State:
        """The patches, or as many of them as each reference may keep, and how many there were."""
        rows = patches.flatten(0, 1)
        share = self.memory * 2**20 // (rows[0].nbytes * references)
        return {"patches": _thinned(rows, max(share, 2)), "seen": torch.tensor(len(rows))}

    def merge(self, summaries: Sequence[State]) -> State:
        """All patches kept."""
        kept = torch.cat([summary["patches"] for summary in summaries])
        return {"patches": kept, "seen": torch.stack([summary["seen"] for summary in summaries]).sum()}

    def condense(self, summary: State) -> State:
        """The coreset of a group of references: its share of a bank of the other groups."""
        count = min(self.most // MOST_FOLDS, math.floor(self.ratio * int(summary["seen"])))
        return summary | {"patches": _coreset(summary["patches"], max(1, count))}

    def conclude(self, summary: State) -> State:
        """The memory bank, float [M, C], or the index that holds it, uint8 [n]."""
        count = min(self.most, round(self.ratio * int(summary["seen"])))
        bank = _coreset(summary["patches"], max(1, count)).contiguous()
        return {"bank": bank} if self.index == "exact" else {"index": faiss_index.build(bank).to(bank.device)}

    def distance(self, patches: Tensor, state: State) -> Tensor:
        """Euclidean distance to the nearest patch of the bank, float [P]."""
        if "index" in state:
            return faiss_index.nearest(patches, state["index"])
        bank = state["bank"]
        distances, nearest_rows = nearest(patches, bank)
        return distances * self._weight(patches, distances, nearest_rows, bank) if self.neighbours > 1 else distances

    def compare(self, patches: Tensor, size: tuple[int, int], state: State) -> Tensor:
        """The distance, or that to the image's own patches where it is smaller (`own`), float [P]."""
        distances = self.distance(patches, state)
        return torch.minimum(distances, self.own * distance_to_itself(patches, *size)) if self.own else distances

    def _weight(self, patches: Tensor, own: Tensor, rows: Tensor, bank: Tensor) -> Tensor:
        """Equation 7: low where the nearest patch of the bank (its row, `own` [P] away) lies in a dense region, [P]."""
        count = min(self.neighbours, len(bank))
        found, back = rows.unique(return_inverse=True)
        around = torch.cdist(bank[found], bank).topk(count, largest=False).indices[back]  # [P, b]
        distances = (patches[:, None] - bank[around]).norm(dim=2)
        return 1 - torch.exp(own - distances.logsumexp(1))


def _coreset(patches: Tensor, count: int) -> Tensor:
    """At most `count` of patches [N, C] that cover all of them, farthest first."""
    return patches if count >= len(patches) else patches[k_centre_greedy(project(patches), count)]


def _thinned(patches: Tensor, count: int) -> Tensor:
    """At most `count` of one reference's patches [N, C]: half that cover them, half spread evenly over the image.

    The first alone are the unusual patches, of which a bank would say that everything usual is far from it.
    """
    if count >= len(patches):
        return patches
    covering = k_centre_greedy(patches, count // 2)
    step = -(-len(patches) // (count - count // 2))
    first = lot(float(patches.double().mean()), step)  # elsewhere in each image: no place is left out of all
    even = torch.arange(first, len(patches), step, device=patches.device)
    return patches[torch.cat([covering, even]).unique()]
