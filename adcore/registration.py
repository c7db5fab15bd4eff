"""Registration: the shift, small rotation and scale that lay one image of a part on another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from adcore.similarity import Aspect, Similarity, sample

LEVELS = 64, 192
"""Longer side, in pixels: all transforms are tried at the first, the best are refined at each in turn."""
MOST_DEGREES, MOST_SCALE, MOST_SHIFT = 15.0, 1.25, 0.25
"""What is looked for: turned by so much either way, larger or smaller by so much, shifted by this share of a side."""
STEP_DEGREES, STEP_SCALE = 1.5, 1.03
"""Of the search; smaller than what the refinement mends."""
STARTS = 8
"""Scales from which the refinement begins, each with its best rotation and shift."""
ITERATIONS = 20
NEAR_FIT = 0.6
"""A refinement that began without a transform and came so far needs no search."""
LEAST_FIT = 0.35
"""Two random textures reach less, whatever the transform."""
LEAST_GAIN = 0.1
"""Share of the misfit that a transform has to remove: interpolation alone, which smooths noise, removes some."""


@dataclass(frozen=True)
class Registration:
    """What was found for a pair of images.

    Attributes:
        transform: lays the moving image on the fixed one; the identity where nothing better was found.
        fit: agreement of the edges of both, after the transform; 1 is perfect, about 0 has nothing in common.
        before: the same without a transform, on the same part of the image.
    """

    transform: Similarity
    fit: float
    before: float


def register(moving: Tensor, fixed: Tensor, size: tuple[int, int] | None = None) -> Registration:
    """Find the transform that lays one image on another; runs on the CPU.

    All rotations and scales are tried at low resolution, each with the shift of the highest orientation correlation
    (Fitch et al., BMVC 2002), which sees the direction of edges and neither brightness nor contrast. The best are
    refined by robust least squares, coarse to fine (Lucas and Kanade, 1981; weights of Geman and McClure, 1985), to
    which a defect is an outlier. A transform that does not clearly improve the agreement is refused.

    Args:
        moving: float [3, h, w] in [0, 1]; of another size it is taken as another resolution of the same view.
        fixed: float [3, h, w] in [0, 1].
        size: height and width of the fixed image before it was resized, in whose pixels the transform is told; by
            default that of `fixed`.
    """
    size = size or (fixed.shape[-2], fixed.shape[-1])
    with _one_thread(), torch.inference_mode():
        pair = _Pair(moving.cpu(), fixed.cpu(), size)
        best, fit, before = pair.refined([Similarity(size).inverse])
        if fit < NEAR_FIT:
            best, fit, before = pair.refined([best, *pair.search()])
    transform = Similarity.of(best, size)
    inside = (
        abs(transform.degrees) <= MOST_DEGREES + STEP_DEGREES
        and abs(math.log(transform.scale)) <= math.log(MOST_SCALE * STEP_SCALE)
        and max(abs(transform.dx) / size[1], abs(transform.dy) / size[0]) <= MOST_SHIFT * 1.1
    )
    if inside and fit >= LEAST_FIT and fit - before >= max(LEAST_GAIN * (1 - before), 0.005):
        return Registration(transform, fit, before)
    return Registration(Similarity(size), before, before)


def _longest(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size with the same aspect whose longer side is `side`."""
    return max(8, round(size[0] * side / max(size))), max(8, round(size[1] * side / max(size)))


def _grey(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Mean of the colours, resized and a little smoothed, [1, 1, h, w]."""
    small = F.interpolate(image.float().mean(0)[None, None], size, mode="bilinear", align_corners=False, antialias=True)
    return _smooth(small, 1)


def _smooth(planes: Tensor, radius: int) -> Tensor:
    """Nearly Gaussian: twice the mean of a square of 2 * radius + 1 pixels."""
    for _ in range(2):
        planes = F.avg_pool2d(planes, (2 * radius + 1, 1), 1, (radius, 0), count_include_pad=False)
        planes = F.avg_pool2d(planes, (1, 2 * radius + 1), 1, (0, radius), count_include_pad=False)
    return planes


def _flattened(grey: Tensor) -> Tensor:
    """Local contrast: without the local mean, in units of the local spread (above the noise of the image)."""
    radius = max(grey.shape[-2:]) // 16
    high = grey - _smooth(grey, radius)
    spread = _smooth(high.square(), radius).sqrt()
    return high / (spread + 0.5 * spread.mean() + 1e-4)


def _edges(grey: Tensor) -> Tensor:
    """Direction of the edges: gradient as a complex number, of magnitude near 1 at strong edges, [n, h, w]."""
    dx = (grey[:, 0, :, 2:] - grey[:, 0, :, :-2])[:, 1:-1]
    dy = (grey[:, 0, 2:] - grey[:, 0, :-2])[:, :, 1:-1]
    gradient = F.pad(torch.complex(dx, dy), (1, 1, 1, 1))
    strength = gradient.abs()
    return gradient / (strength + strength.mean((1, 2), keepdim=True) + 1e-4)


class _Pair:
    """Two images at the resolutions of `LEVELS`."""

    def __init__(self, moving: Tensor, fixed: Tensor, size: tuple[int, int]):
        self.aspect = Similarity(size).aspect
        self.views = [tuple(_grey(image, _longest(size, side)) for image in (moving, fixed)) for side in LEVELS]

    def refined(self, starts: Sequence[Tensor]) -> tuple[Tensor, float, float]:
        """The best of several transforms, each refined level by level, its fit, and the fit without it."""
        for moving, fixed in self.views:
            source, target = _flattened(moving), _flattened(fixed)
            refined = [_refine(source, target, start, self.aspect) for start in starts]
            fits = [(*_fits(moving, fixed, each, self.aspect), each) for each in refined]
            fits.sort(key=lambda each: -each[0])
            starts = [each for _, _, each in fits[:2]]
        fit, before, best = fits[0]
        return best, fit, before

    def search(self) -> list[Tensor]:
        """The rotation and shift of highest orientation correlation, of the `STARTS` scales where it is highest."""
        moving, fixed = self.views[0]
        size = fixed.shape[-2], fixed.shape[-1]
        angles = torch.arange(-MOST_DEGREES, MOST_DEGREES + 0.1, STEP_DEGREES)
        steps = round(math.log(MOST_SCALE) / math.log(STEP_SCALE))
        scales = STEP_SCALE ** torch.arange(-steps, steps + 1.0)
        tried = [Similarity(size, 0, 0, angle, scale) for scale in scales.tolist() for angle in angles.tolist()]
        sampled, inside = sample(moving, torch.stack([each.inverse for each in tried]), self.aspect)
        edges, target = _edges(sampled) * inside, _edges(fixed)
        most = [round(MOST_SHIFT * side) for side in size]
        padded = [side + reach for side, reach in zip(size, most, strict=True)]
        spectra = torch.fft.fft2(target, padded) * torch.fft.fft2(edges, padded).conj()
        energy = edges.abs().square().sum((1, 2)) * target.abs().square().sum()
        correlation = torch.fft.ifft2(spectra).real / energy.sqrt().clamp_min(1e-12)[:, None, None]
        down, right = (torch.arange(-reach, reach + 1) for reach in most)  # negative ones count from the end
        highest, place = correlation[:, down[:, None], right].flatten(1).max(1)
        peaks, turns = highest.view(len(scales), len(angles)).max(1)
        found = []
        for i in peaks.topk(min(STARTS, len(scales))).indices.tolist():
            row = i * len(angles) + int(turns[i])
            dy, dx = divmod(int(place[row]), len(right))
            found.append(replace(tried[row], dx=int(right[dx]), dy=int(down[dy])).inverse)
        return found


def _refine(moving: Tensor, fixed: Tensor, start: Tensor, aspect: Aspect) -> Tensor:
    """Gauss-Newton steps on the difference of two images [1, 1, h, w], each pixel weighted by how usual it is."""
    h, w = fixed.shape[-2:]
    y, x = torch.meshgrid(
        (torch.arange(h).to(fixed) * 2 + 1) / h - 1, (torch.arange(w).to(fixed) * 2 + 1) / w - 1, indexing="ij"
    )
    x, y = x * aspect[0], y * aspect[1]
    across = F.pad(moving[..., 2:] - moving[..., :-2], (1, 1)) * w / (4 * aspect[0])
    down = F.pad(moving[..., 2:, :] - moving[..., :-2, :], (0, 0, 1, 1)) * h / (4 * aspect[1])
    planes = torch.cat([moving, across, down], 1)
    found = start
    for _ in range(ITERATIONS):
        (sampled,), (inside,) = sample(planes, found[None], aspect)
        value, gx, gy = sampled
        residual = (fixed[0, 0] - value)[inside]
        if residual.numel() < h * w // 4:
            break
        jacobian = torch.stack([gx * x + gy * y, gy * x - gx * y, gx, gy], -1)[inside]  # [P, 4]
        usual = 2 * residual.abs().median() + 1e-6
        weighted = jacobian / (1 + (residual / usual).square()).square()[:, None]
        normal = weighted.T @ jacobian
        step = torch.linalg.solve(
            normal + (1e-6 * normal.trace() + 1e-9) * torch.eye(4).to(normal), weighted.T @ residual
        )
        found = found + step
        if float(step.abs().max()) < 0.02 / max(h, w):
            break
    return found


def _fits(moving: Tensor, fixed: Tensor, found: Tensor, aspect: Aspect) -> tuple[float, float]:
    """Orientation correlation with and without a transform, on the part of the image that both show."""
    sampled, inside = sample(moving, found[None], aspect)
    target, turned, left = (_edges(image) * inside for image in (fixed, sampled, moving))

    def agreement(edges: Tensor) -> float:
        energy = edges.abs().square().sum() * target.abs().square().sum()
        return float((edges * target.conj()).real.sum() / energy.sqrt().clamp_min(1e-12))

    return agreement(turned), agreement(left)


@contextmanager
def _one_thread() -> Iterator[None]:
    """These images are so small that threads would mostly wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
