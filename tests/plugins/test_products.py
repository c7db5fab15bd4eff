import numpy as np
import pytest
from adcore_plugins.products import Products

from adcore.errors import UserError

SMALL = {"count": 3, "normals": 2, "good": 1, "defective": 2, "image_size": 48}


def test_lists_what_is_asked_for_without_rendering(monkeypatch):
    monkeypatch.setattr(Products, "_render", lambda *_: pytest.fail("rendered"))
    samples = Products(**SMALL).samples()
    assert len(samples) == 3 * 5
    first = [sample for sample in samples if sample.category == "product00000"]
    assert [(sample.split, sample.label) for sample in first] == [
        ("train", 0),
        ("train", 0),
        ("test", 0),
        ("test", 1),
        ("test", 1),
    ]


def test_an_image_depends_on_its_path_size_and_seed_alone():
    few, many = Products(**SMALL), Products(**(SMALL | {"count": 5, "normals": 4}))
    for sample in few.samples()[-5:]:
        assert sample in many.samples()
    for sample in reversed(many.samples()):
        many.image(sample)
    for sample in few.samples():
        np.testing.assert_array_equal(few.image(sample), many.image(sample))
        np.testing.assert_array_equal(few.mask(sample), many.mask(sample))
    other = Products(**SMALL, seed=1)
    assert all((other.image(sample) != few.image(sample)).any() for sample in few.samples())


def test_train_and_test_images_are_others():
    dataset = Products(count=1, normals=3, good=3, defective=0, image_size=48)
    images = [dataset.image(sample).tobytes() for sample in dataset.samples()]
    assert len(set(images)) == 6


def test_kinds_and_defects_can_be_chosen():
    dataset = Products(**SMALL, kinds=["uniform"], defects=["blot"])
    assert dataset._product(0).design.kind == "uniform"
    assert dataset._product(0).defective(0, 48).kind == "blot"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 0}, "count is 0, it has to be at least 1"),
        ({"defective": -1}, "defective is -1"),
        ({"image_size": 8}, "image_size is 8, it has to be between 32 and 2048"),
        ({"kinds": ["assembli"]}, r"kinds has no 'assembli' .*did you mean 'assembly'"),
        ({"defects": ["scrach"]}, r"did you mean 'scratch'"),
        ({"defects": []}, "defects is empty"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        Products(**settings).check()
