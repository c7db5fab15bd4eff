import numpy as np
import pytest
from adcore_plugins.demo import Demo
from scipy.ndimage import gaussian_filter, label
from sklearn.metrics import roc_auc_score

from adcore.data.demo.catalogue import CATEGORIES
from adcore.data.demo.defects import KINDS
from adcore.errors import UserError

LINES = ("plate_line_a", "plate_line_b")


@pytest.fixture(scope="module")
def demo():
    return Demo(normals=20, size=64)


def judged(demo, category):
    return [sample for sample in demo.samples() if sample.split == "test" and sample.category == category]


def test_every_category_has_enough_of_everything(demo):
    assert list(dict.fromkeys(sample.category for sample in demo.samples())) == list(CATEGORIES)
    for category in CATEGORIES:
        listed = judged(demo, category)
        assert len(listed) >= 40 and sum(not sample.label for sample in listed) >= 20
        assert set(KINDS) <= {sample.defect for sample in listed}
        assert sum(sample.split == "train" and sample.category == category for sample in demo.samples()) == 20
        assert len({sample.path for sample in listed}) == len(listed)


@pytest.mark.parametrize("category", ["fabric", "board", "gear", LINES[0]])
def test_masks_mark_the_defect_and_nothing_else(demo, category):
    for sample in judged(demo, category):
        mask = demo.mask(sample)
        assert mask.shape == demo.image(sample).shape[:2] == (64, 64)
        if not sample.label:
            assert not mask.any()
        else:
            assert 0.001 < mask.mean() < 0.1, sample
            assert label(mask)[1] <= 4, sample


def test_same_plates_on_both_lines_with_their_own_truth(demo):
    on_a, on_b = ({sample.path: sample for sample in judged(demo, line)} for line in LINES)
    assert on_a.keys() == on_b.keys()
    flips = [path for path in on_a if on_a[path].label != on_b[path].label]
    assert len(flips) >= 16 and all(on_b[path].defect == "brushed" for path in flips)
    assert sum(not on_a[path].label and not on_b[path].label for path in on_a) >= 16
    assert sum(on_a[path].label and on_b[path].label for path in on_a) >= 25
    grown = 0
    for path in on_a:
        mask_a, mask_b = demo.mask(on_a[path]), demo.mask(on_b[path])
        assert not (mask_a & ~mask_b).any()
        grown += on_a[path].label and mask_b.sum() > mask_a.sum()
    assert 8 <= grown <= 17  # about half of the defects are on brushed plates


def test_line_a_is_brushed_and_line_b_is_not(demo):
    def roughness(category):
        images = [demo.image(s).mean(2) for s in demo.samples() if s.category == category and s.split == "train"]
        return np.array([np.std((image - gaussian_filter(image, 2))[35:40, 22:42]) for image in images])

    assert roughness(LINES[0]).mean() > 2 * roughness(LINES[1]).max()
    assert roughness(LINES[0]).min() < 2 * roughness(LINES[1]).max()  # some are hardly brushed


def test_an_image_depends_on_its_path_size_and_seed_alone():
    many, few = Demo(normals=9, size=48), Demo(["gear"], normals=2, size=48)
    sample = few.samples()[1]
    assert sample in many.samples()
    for other in reversed(many.samples()[-5:]):
        many.image(other)
    np.testing.assert_array_equal(many.image(sample), few.image(sample))
    assert (Demo(["gear"], 2, 48, seed=1).image(sample) != few.image(sample)).any()
    assert Demo(["gear"], 2, 64).image(sample).shape == (64, 64, 3)


def test_images_cannot_be_changed_behind_the_cache(demo):
    with pytest.raises(ValueError, match="read-only"):
        demo.image(demo.samples()[0])[:] = 0


def test_pixel_difference_is_no_match_for_it(demo):
    areas = []
    for category in CATEGORIES:
        train = [demo.image(s) for s in demo.samples() if s.category == category and s.split == "train"]
        mean, listed = np.mean(train, 0), judged(demo, category)
        maps = [np.abs(demo.image(sample) - mean).mean(2) for sample in listed]
        scores = [np.sort(gaussian_filter(grown, 1), None)[-41:].mean() for grown in maps]
        areas.append(roc_auc_score([sample.label for sample in listed], scores))
    assert 0.5 < np.mean(areas) < 0.8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"categories": ["geer"]}, r"the demo set has no category 'geer'; did you mean 'gear'\?"),
        ({"categories": []}, "no category of the demo set chosen"),
        ({"normals": 0}, "normals is 0"),
        ({"size": 8}, "size is 8"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        Demo(**settings).check()
