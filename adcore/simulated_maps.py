"""Maps of normal images with simulated anomalies, for a fuser to learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.branches import Maps
from adcore.context import Context
from adcore.interfaces import Synthesizer

MOST_IMAGES = 32
"""Normal images that anomalies are simulated on; of more, an even choice."""
ANOMALIES = 24
"""Simulated anomalies to be had of few images; each image has at least one."""

Seen = tuple[Tensor, Context, Tensor | None]
"""An image, [1, 3, H, W], the context that judges it, and the part of it that is judged, bool [H, W], None for all."""


def simulated_maps(
    seen: Iterable[Seen],
    count: int,
    source: Tensor,
    synthesizers: Sequence[Synthesizer],
    judge: Callable[[Tensor, Context, Tensor | None], Maps],
) -> tuple[Maps, Tensor] | None:
    """Judge normal images with simulated anomalies, the same ones each time.

    Args:
        seen: normal images that the contexts do not hold.
        count: how many they are.
        source: float [3, H, W], where the first image takes texture from; each further one takes it from the last.
        synthesizers: make the anomalies, in turn.
        judge: gives the maps of an image.

    Returns:
        The maps [m, h, w] by branch, and where they are anomalous, bool [m, h, w]: cells of which at least a quarter
        is. None where no anomaly could be made.
    """
    generator = torch.Generator().manual_seed(20_021)
    found: list[Maps] = []
    masks: list[Tensor] = []
    for index, (image, context, shown) in enumerate(seen):
        plain = image[0].cpu()
        for turn in range(-(-ANOMALIES // count) if synthesizers else 0):
            synthesizer = synthesizers[(index + turn) % len(synthesizers)]
            changed, mask = synthesizer.synthesize(plain, source, generator)
            if mask.amax() > 0.5:
                maps = judge(changed[None].to(image), context, shown)
                cells = next(iter(maps.values())).shape[-2:]
                found.append(maps)
                masks.append(F.adaptive_avg_pool2d((mask > 0.5).float()[None], (cells[0], cells[1])) >= 0.25)
        source = plain
    if not found:
        return None
    return {branch: torch.cat([maps[branch] for maps in found]) for branch in found[0]}, torch.cat(masks).to(
        next(iter(found[0].values())).device
    )
