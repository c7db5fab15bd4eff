import weakref

import pytest
import torch

from adcore.reference_features import ReferenceFeatures, Remembered


@pytest.fixture
def images(generator):
    return torch.rand(5, 3, 4, 4, generator=generator)


class Extract:
    """Counts what it is asked for; 64 bytes of features per image."""

    def __init__(self):
        self.calls = 0

    def __call__(self, image):
        self.calls += 1
        return (image[None, 0],)


@pytest.mark.parametrize(("memory", "calls"), [(0, 10), (2 * 64 + 1, 8), (5 * 64, 5)])
def test_features_are_kept_within_memory_and_else_computed_again(images, memory, calls):
    extract = Extract()
    features = ReferenceFeatures(images, extract, memory)
    assert len(features) == 5 and extract.calls == 0
    for _ in range(2):
        assert torch.equal(torch.cat([level for (level,) in features]), images[:, 0])
    assert extract.calls == calls


def test_single_references_and_slices(images):
    features = ReferenceFeatures(images, Extract())
    assert torch.equal(features[-1][0][0], images[4, 0])
    assert torch.equal(torch.cat([level for (level,) in features[1:3]]), images[1:3, 0])
    with pytest.raises(IndexError):
        features[5]


def test_what_was_kept_goes_with_it(images):
    features = ReferenceFeatures(images, Extract())
    kept = weakref.ref(features[0][0])
    del features
    assert kept() is None  # no cycle that would hold it until garbage is collected


def test_what_shows_the_same_is_computed_once_within_memory(images):
    extract = Extract()
    remembered = Remembered(lambda batch: extract(batch[0]), memory=2 * 64 + 1)
    for _ in range(2):
        for image in images:
            assert torch.equal(remembered(image.clone()[None])[0][0], image[0])
    assert extract.calls == 5 + 3
