import torch

from adcore.self_similarity import distance_to_itself


def test_the_nearest_patch_lies_outside_the_neighbourhood(generator):
    h, w = 6, 9
    patches = torch.randn(h * w, 4, generator=generator)
    found = distance_to_itself(patches, h, w)
    for cell in range(h * w):
        apart = [max(abs(cell // w - other // w), abs(cell % w - other % w)) for other in range(h * w)]
        outside = [other for other in range(h * w) if apart[other] > 2]
        expected = min(float((patches[cell] - patches[other]).norm()) for other in outside)
        assert abs(float(found[cell]) - expected) < 1e-5


def test_a_repeated_texture_is_near_itself_and_what_occurs_once_is_not(generator):
    patches = torch.randn(2, 4, generator=generator).repeat(32, 1)  # stripes on 8 x 8
    patches[27] = 10.0
    found = distance_to_itself(patches, 8, 8)
    assert found[27] > 10 and found[torch.arange(64) != 27].max() < 1e-3


def test_a_single_patch_is_at_no_distance():
    assert distance_to_itself(torch.ones(1, 4), 1, 1).tolist() == [0.0]
