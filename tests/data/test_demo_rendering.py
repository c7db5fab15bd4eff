from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion

from adcore.data.demo import rendering
from adcore.data.demo.catalogue import CATEGORIES, listing


@pytest.mark.parametrize("category", [category for category in CATEGORIES if category != "plate_line_b"])
def test_the_mask_is_where_a_sound_twin_looks_different(category):
    for sample, item in listing(category, normals=1):
        if not item.kind:
            continue
        sound = rendering.image(replace(item, kind=None), 96, 0).astype(int)
        changed = np.abs(rendering.image(item, 96, 0) - sound).max(2)
        mask = rendering.mask(sample, item, 96, 0)
        assert np.percentile(changed[~binary_dilation(mask, iterations=2)], 99.5) < 30, item.path
        assert np.median(changed[binary_erosion(mask) if mask.sum() > 60 else mask]) > 20, item.path
        assert mask.sum() >= 25, item.path  # five pixels across


def test_defects_grow_with_their_severity():
    _, item = next(entry for entry in listing("gear", 1) if entry[1].kind == "blob")
    sample = next(sample for sample, _ in listing("gear", 1) if sample.defect == "blob")
    areas = [rendering.mask(sample, replace(item, severity=s), 96, 0).sum() for s in (0.0, 0.5, 1.0)]
    assert areas == sorted(areas) and areas[0] < areas[2]


def test_a_scene_is_the_same_at_every_size():
    for category in ("board", "gear", "plate_line_a"):
        _, item = next(listing(category, 1))
        small, large = (rendering.image(item, size, 0).astype(float) for size in (64, 128))
        halved = large.reshape(64, 2, 64, 2, 3).mean((1, 3))
        assert np.corrcoef(small.ravel(), halved.ravel())[0, 1] > 0.95
