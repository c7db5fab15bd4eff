"""A product: endless normal and defective images of one random design, each from its number alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from adcore.products import periodic_defects, structural_defects, surface_defects
from adcore.products.canvas import Canvas
from adcore.products.design import Design, Item
from adcore.products.draws import Random, chance, log_uniform, stream, weighted
from adcore.products.kinds import WEIGHTS, draw
from adcore.products.marks import Spot
from adcore.products.plane import Array
from adcore.synthesis.change import soft_mask

KINDS = tuple(WEIGHTS)
"""Kinds of products."""
DEFECTS = (*surface_defects.DEFECTS, *structural_defects.DEFECTS, "broken")
"""Kinds of defects. ``broken`` is a fault in a regular pattern."""
NORMAL, DEFECTIVE = 1, 2  # roles of images: streams of their own
TRIES = 8
VISIBLE = 0.03  # change of colour that is labelled 0.5, on a sensor without noise


class Defective(NamedTuple):
    """An image with a defect.

    Attributes:
        image: float32 [3, S, S] in [0, 1].
        mask: float32 [S, S] in [0, 1], how visibly each pixel differs from the same item without the defect.
        kind: one of `DEFECTS`.
    """

    image: Array
    mask: Array
    kind: str


class Product:
    """A random product; the same for equal arguments, in whatever process, thread or order it is asked.

    >>> from adcore.products import Product
    >>> product = Product(7)
    >>> product.normal(0, size=64).shape
    (3, 64, 64)
    >>> image, mask, kind = product.defective(0, size=64)
    """

    def __init__(
        self,
        seed: int | tuple[int, ...],
        kinds: Sequence[str] | None = None,
        defects: Sequence[str] | None = None,
    ):
        """Draw the design.

        Args:
            seed: numbers >= 0 that decide the product.
            kinds: what it may be, of `KINDS`; anything by default.
            defects: what may be wrong with it, of `DEFECTS`; anything by default.
        """
        self.key = (seed,) if isinstance(seed, int) else tuple(seed)
        self.defects = tuple(defects or DEFECTS)
        self.design: Design = draw(stream(*self.key, 0), {kind: WEIGHTS[kind] for kind in kinds or KINDS})
        self.design = _exposed(self)

    def normal(self, index: int, size: int = 256) -> Array:
        """A normal image, float32 [3, size, size] in [0, 1].

        Args:
            index: number >= 0 of the image.
            size: side in pixels.
        """
        item = self.design.item(stream(*self.key, NORMAL, index, 0))
        canvas = self._painted(item, size)
        return self._picture(self._seen(canvas, NORMAL, index), NORMAL, index)

    def defective(self, index: int, size: int = 256) -> Defective:
        """An image of another item, with a defect.

        Args:
            index: number >= 0 of the image.
            size: side in pixels.
        """
        item = self.design.item(stream(*self.key, DEFECTIVE, index, 0))
        stages = self._stages(item, size)
        clean = stages[-1]
        before = torch.from_numpy(self._seen(clean.copy(), DEFECTIVE, index))
        visible = max(VISIBLE, 1.2 * self.design.camera.noise)
        best, best_seen, best_kind = before, 0, self.defects[0]
        best_mask = torch.zeros(size, size)
        for attempt in range(TRIES):
            rng = stream(*self.key, DEFECTIVE, index, 5, attempt)
            kind = weighted(rng, self._weights())
            changed = self._damaged(kind, item, stages, rng, attempt)
            if changed is None:
                continue
            after = torch.from_numpy(self._seen(changed, DEFECTIVE, index))
            result, mask = soft_mask(before, after, visible)
            seen = int((mask > 0.5).sum())
            if seen > best_seen and seen < 0.5 * size**2:
                best, best_mask, best_seen, best_kind = result, mask, seen, kind
            if seen >= max(3, 0.00012 * size**2) and seen < 0.5 * size**2 and seen > 0.2 * int((mask > 0).sum()):
                break
        return Defective(self._picture(best.numpy().copy(), DEFECTIVE, index), best_mask.numpy(), best_kind)

    def _weights(self) -> dict[str, float]:
        """The kinds of defects that this product can have, and how frequent they are."""
        structured = any(children for _, children in self.design.bodies) or len(self.design.bodies) > 1
        regular = periodic_defects.has_regular(self.design)
        surface = {name: weight for name, (_, weight) in surface_defects.DEFECTS.items()}
        structural = {name: weight for name, (_, weight) in structural_defects.DEFECTS.items()}
        weights = dict(surface)
        if structured:
            weights |= {name: 1.2 * weight for name, weight in structural.items()}
        elif not self.design.surface:
            weights["misplaced"] = 0.6
        if regular:
            weights["broken"] = 4.0
        wanted = {name: weight for name, weight in weights.items() if name in self.defects}
        return wanted or dict.fromkeys(self.defects, 1.0)

    def _damaged(
        self, kind: str, item: Item, stages: tuple[Canvas, Canvas, Canvas], rng: Random, attempt: int
    ) -> Canvas | None:
        """The canvas of the item with a defect; None where it cannot have it."""
        if kind in structural_defects.DEFECTS:
            parts = structural_defects.DEFECTS[kind][0](self.design, item.parts, rng)
            if parts is None:
                return None
            first = bool(parts and item.parts and parts[0] is item.parts[0])
            canvas = stages[first].copy()
            self.design.build(canvas, parts[first:])
            return canvas
        canvas = stages[-1].copy()
        spot = self._spot(kind, canvas, rng, attempt)
        if spot is None:
            return None
        if kind == "broken":
            return canvas if periodic_defects.broken(canvas, self.design, item, spot, rng) else None
        surface_defects.DEFECTS[kind][0](canvas, spot, rng)
        return canvas

    def _spot(self, kind: str, canvas: Canvas, rng: Random, attempt: int) -> Spot | None:
        """Somewhere on the object, at times on its edge or beside it."""
        step = max(1, canvas.size // 64)
        cover = canvas.cover[step // 2 :: step, step // 2 :: step]
        inside = cover > 0.5
        if chance(rng, 0.03):
            inside = np.ones_like(inside)
        elif kind in ("hole", "bent") and chance(rng, 0.6):
            edge = inside & ~(np.roll(inside, 2, 0) & np.roll(inside, -2, 0) & np.roll(inside, 2, 1))
            inside = edge if edge.any() else inside
        at = np.flatnonzero(inside)
        if not len(at):
            return None
        row, column = divmod(int(at[int(rng.integers(len(at)))]), inside.shape[1])
        row, column = (min(canvas.size - 1, i * step + int(rng.integers(step))) for i in (row, column))
        extent = np.sqrt(max(0.02, float((cover > 0.5).mean())))
        least = max(0.012, 2.5 / canvas.size)
        size = (
            log_uniform(rng, least, max(2 * least, 0.38 * extent))
            if kind not in LARGER
            else log_uniform(rng, max(least, 0.035), max(2 * least, 0.4 * extent))
        )
        amount = min(1.0, log_uniform(rng, 0.2, 1) + 0.12 * attempt)
        wear = self.design.wear
        if wear.specks and kind in ("pits", "blot"):
            size, amount = max(size, 5 * wear.speck_size), max(amount, 0.6)
        if wear.hairlines and kind in ("scratch", "crack"):
            size, amount = max(size, 0.25), max(amount, 0.7)
        if wear.smear > 0.08 and kind in ("stain", "discolouration"):
            amount = max(amount, 0.6)
        tones = canvas.albedo[:, row, column][None]
        x, y = (column + 0.5) / canvas.size - 0.5, (row + 0.5) / canvas.size - 0.5
        return Spot(x, y, size, amount, self.design.palette, tones)

    def _painted(self, item: Item, size: int) -> Canvas:
        canvas = self.design.canvas(item, size)
        self.design.build(canvas, item.parts)
        return canvas

    def _stages(self, item: Item, size: int) -> tuple[Canvas, Canvas, Canvas]:
        """The ground, with the first part, and with all parts: an item with other parts differs in the rest alone."""
        ground = self.design.canvas(item, size)
        first = ground.copy()
        self.design.build(first, item.parts[:1])
        whole = first.copy()
        self.design.build(whole, item.parts[1:])
        return ground, first, whole

    def _seen(self, canvas: Canvas, role: int, index: int) -> Array:
        """Light and lens: float32 [3, S, S] or [1, S, S] in [0, 1]; the canvas is changed."""
        design = self.design
        design.wear.lie(canvas, stream(*self.key, role, index, 1))
        lighting = design.light_play.vary(design.lighting, stream(*self.key, role, index, 2))
        scene = lighting.fall(canvas)
        if design.camera.grey:
            scene = scene.mean(0, keepdims=True)
        return design.camera.develop(np.maximum(scene, 0), stream(*self.key, role, index, 3))

    def _picture(self, seen: Array, role: int, index: int) -> Array:
        return self.design.camera.expose(seen, stream(*self.key, role, index, 4))


LARGER = ("stain", "discolouration", "dent", "rough", "smear", "hole", "foreign", "paste", "blended", "bent", "broken")


def _exposed(product: Product) -> Design:
    """The design with a gain at which its images are neither black nor burnt out."""
    design = product.design
    size = 48
    scene = design.lighting.fall(product._painted(design.item(stream(*product.key, 3)), size))
    bright = float(np.quantile(scene.mean(0), 0.97))
    limit = log_uniform(stream(*product.key, 4), 0.55, 1.05)
    middle = float(scene.mean())
    gain = limit / bright if bright > limit else max(1.0, min(limit / bright, 0.25 / middle))
    return replace(design, camera=replace(design.camera, gain=gain))
