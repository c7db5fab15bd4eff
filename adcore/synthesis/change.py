"""What counts as a defect: the soft mask of what has visibly changed, and tries until something has."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.synthesis.patch import side

NOTICEABLE = 2 / 255  # least change of a pixel
FLOOR = 0.01  # label of what changed without being seen, so that 0 means unchanged
TRIES = 5
MOSTLY = 0.3  # share of a defect labelled above 0.5 with which no further try is made


def soft_mask(before: Tensor, after: Tensor, visible: float) -> tuple[Tensor, Tensor]:
    """Label a change by how much of it is seen, and take back what is less than noticeable.

    An eye compares the colour of a spot and how rough it is in each direction, not the place of each grain: a piece of
    a texture exchanged for another piece of it changes every pixel and is no defect. So the change ``c`` of a pixel is
    that of the mean colour and of the mean slopes along rows and columns, over the changed pixels in its neighbourhood.
    The label ``c^2 / (c^2 + visible^2)`` grows with it and saturates, like the logistic label of NSA; it is lowered
    where the pixel itself, lines of one or two pixels aside, changed by less than about a quarter of `visible`.

    Args:
        before: float [3, H, W].
        after: float [3, H, W].
        visible: change of colour, in [0, 1], that is labelled 0.5.

    Returns:
        `after`, set back to `before` where nothing noticeable happened, and the mask, float [H, W] in [0, 1), above 0
        exactly where the returned images differ.
    """
    different = (after != before).any(0)  # [H, W]
    result, mask = before.clone(), torch.zeros_like(before[0])
    if not bool(different.any()):
        return result, mask
    rows, columns = _extent(different.any(1)), _extent(different.any(0))
    before, after = before[:, rows, columns], after[:, rows, columns]  # [3, h, w]
    own = (after - before).abs().amax(0)  # [h, w]
    # Closing fills the thin lines along which a change passes through 0.
    closed = -F.max_pool2d(-F.max_pool2d(own[None], 3, 1, 1), 3, 1, 1)[0]
    changed = (own > 0) & (closed >= NOTICEABLE)
    support = changed.float()
    radius = max(1, round(side(result) / 80))
    cover = _sum(support, radius).clamp(min=0.5)

    def average(x: Tensor) -> Tensor:
        """Mean over the changed pixels in the neighbourhood, [..., h, w]."""
        return _sum(x * support, radius) / cover

    difference = _appearance(after) - _appearance(before)  # [5, h, w]
    seen = average(average(difference).square().amax(0))  # [h, w], squared; the second mean evens it out
    label = _saturate(seen, visible) * _saturate(closed.square(), visible / 4)
    result[:, rows, columns] = torch.where(changed, after, before)
    mask[rows, columns] = label.clamp(min=FLOOR) * support
    return result, mask


def _extent(different: Tensor) -> slice:
    """The rows or columns, [n], from the first to the last True, and two more on each side for the closing."""
    at = different.nonzero()
    return slice(max(0, int(at[0]) - 2), int(at[-1]) + 3)


def _saturate(square: Tensor, half: float) -> Tensor:
    """From a squared change to [0, 1): 0.5 at `half`."""
    return square / (square + half**2)


def _appearance(image: Tensor) -> Tensor:
    """Colour, and slope of the grey value along rows and columns: [3, h, w] -> [5, h, w]."""
    grey = F.pad(image.mean(0)[None], (0, 1, 0, 1), mode="replicate")
    slopes = torch.stack([grey[0, :-1].diff(dim=-1), grey[0, :, :-1].diff(dim=-2)]).abs()  # [2, h, w]
    return torch.cat([image, slopes])


def _sum(x: Tensor, radius: int) -> Tensor:
    """Sum over the square of this radius around each pixel, [..., h, w]."""
    size, planes = 2 * radius + 1, x.reshape(-1, *x.shape[-2:])
    rows = F.avg_pool2d(planes, (size, 1), 1, (radius, 0), divisor_override=1)
    return F.avg_pool2d(rows, (1, size), 1, (0, radius), divisor_override=1).view_as(x)


def first_visible(image: Tensor, propose: Callable[[], Tensor], visible: float) -> tuple[Tensor, Tensor]:
    """Try until a defect can be seen.

    Args:
        image: float [3, H, W].
        propose: draws one defect and returns the changed image.
        visible: change of colour that is labelled 0.5.

    Returns:
        Image and mask as `soft_mask` gives them, of the first try of which enough is seen, or else of the one of which
        most is; the unchanged image and an empty mask if nothing could be seen in any.
    """
    least = max(4.0, 0.0003 * image[0].numel())  # pixels
    best, best_share = (image.clone(), torch.zeros_like(image[0])), 0.0
    for _ in range(TRIES):
        after, mask = soft_mask(image, propose().clamp(0, 1), visible)
        seen, changed = int((mask > 0.5).sum()), int((mask > 0).sum())
        if seen >= least and seen > best_share * changed:
            best, best_share = (after, mask), seen / changed
        if best_share > MOSTLY:
            break
    return best
