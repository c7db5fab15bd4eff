import pytest
import torch
from adcore_plugins.perlin import Perlin

from adcore.errors import UserError

IMAGE = torch.tensor([0.6, 0.5, 0.4])[:, None, None].repeat(1, 128, 128)
SOURCE = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(1))


def defects(synthesizer, count=20):
    generator = torch.Generator().manual_seed(0)
    return [synthesizer.synthesize(IMAGE, SOURCE, generator) for _ in range(count)]


def inner(mask):
    """A region without its soft outline."""
    return -torch.nn.functional.max_pool2d(-(mask > 0).float()[None], 9, 1, 4)[0] > 0


def test_flat_fill_has_one_colour_and_others_have_many():
    def variation(fill):
        pairs = defects(Perlin(shape="blob", fill=fill, size=(0.3, 0.4), opacity=(1, 1)))
        insides = [result[:, inner(mask)] for result, mask in pairs if inner(mask).sum() > 20]  # [3, n] each
        return [float((x - x.median(1, keepdim=True).values).abs().median()) for x in insides]

    flat, noise, source = (sorted(variation(fill)) for fill in ("flat", "noise", "source"))
    assert len(flat) >= 5 and flat[-1] < 1e-4 and min(noise[len(noise) // 2], source[len(source) // 2]) > 0.02


def test_opacity_bounds_the_change():
    for result, mask in defects(Perlin(fill="flat", opacity=(0.2, 0.3))):
        assert mask.any() and (result - IMAGE).abs().max() <= 0.3 * 0.6 + 1e-5
    result, mask = defects(Perlin(opacity=(0, 0)), 1)[0]
    assert torch.equal(result, IMAGE) and not mask.any()


def test_scratches_are_long_and_thin():
    for _, mask in defects(Perlin(shape="scratch", fill="flat", size=(0.3, 0.4), scratch_width=(0.02, 0.025))):
        at = (mask > 0).nonzero().float()
        length = (at.amax(0) - at.amin(0)).norm()
        assert len(at) / length < 7  # mean width in pixels, bends included


def test_blobs_come_whole_and_in_specks():
    from scipy.ndimage import label

    pieces = [
        label(mask.numpy() > 0.5)[1] for _, mask in defects(Perlin(shape="blob", fill="flat", size=(0.3, 0.4)), 40)
    ]
    assert 10 <= sum(n == 1 for n in pieces) <= 35 and max(pieces) >= 4


@pytest.mark.parametrize("shape", ["blob", "scratch"])
def test_sizes_keep_within_the_setting(shape):
    extents = []
    for _, mask in defects(Perlin(shape=shape, fill="flat", size=(0.1, 0.2)), 40):
        at = mask.nonzero()
        extents.append(int((at.amax(0) - at.amin(0)).max()))
    longest = 0.2 * 128 * 3**0.5 * 1.3  # a blob may be three times as long as wide, and noise pushes its outline out
    assert max(extents) <= longest + 2 and sorted(extents)[20] > 8


def test_wrong_settings_are_refused_in_one_line():
    with pytest.raises(UserError, match=r"perlin: opacity is \(0.5, 1.2\); write \[lowest, highest\] between 0 and 1"):
        Perlin(opacity=(0.5, 1.2))
