import pytest
import torch
from adcore_plugins.nsa import NSA

from adcore.errors import UserError


def waves(seed, frequency=12.0, size=128):
    phase = 6 * torch.rand(3, 1, 1, generator=torch.Generator().manual_seed(seed))
    y, x = torch.arange(size)[:, None] / size, torch.arange(size)[None] / size
    return 0.5 + 0.3 * torch.sin(frequency * (x + y) + phase)


@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
def test_patches_have_no_seam(shape):
    image, source = waves(0), waves(1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        result, mask = NSA(shape=shape).synthesize(image, source, generator)
        assert mask.max() > 0.5
        # Slopes of both images are below 0.04, 1.4 times that when resized; a pasted edge would jump by up to 0.6.
        assert max(result.diff(dim=d).abs().max() for d in (1, 2)) < 0.15


def extents(synthesizer, count=60):
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        _, mask = synthesizer.synthesize(waves(0, 60), waves(1, 60), generator)
        at = mask.nonzero()
        if len(at):
            yield from (at.amax(0) - at.amin(0) + 1).tolist()


def test_sizes_keep_within_the_setting():
    lengths = list(extents(NSA(size=(0.1, 0.2), resize=(1, 1), patches=1)))
    assert max(lengths) <= 0.2 * 128 + 3 and max(lengths) > 0.15 * 128


@pytest.mark.parametrize("factor", [0.7, 1.3])
def test_patches_and_their_texture_are_resized(factor):
    stripes = (0.5 + 0.4 * torch.sin(2 * torch.pi * torch.arange(128) / 8)).repeat(3, 128, 1)
    plain = torch.full((3, 128, 128), 0.5)
    synthesizer = NSA(size=(0.4, 0.4), resize=(factor, factor), patches=1, shape="rectangle")
    result, mask = synthesizer.synthesize(plain, stripes, torch.Generator().manual_seed(1))
    rows = (mask > 0).any(1).nonzero()[:, 0]
    assert len(rows) == pytest.approx(0.4 * 128 * factor, abs=3)
    curvature = result[0, rows[len(rows) // 2]].diff(n=2)
    assert 4096 / torch.fft.rfft(curvature, n=4096).abs().argmax() == pytest.approx(8 * factor, rel=0.05)


def test_up_to_as_many_patches_as_asked_for():
    def spread(patches):
        return sum(length > 0.3 * 128 for length in extents(NSA(size=(0.1, 0.1), resize=(1, 1), patches=patches)))

    assert spread(1) == 0 < spread(2)


def test_mixed_blending_keeps_strong_edges_of_the_image():
    image = torch.zeros(3, 128, 128)
    image[:, :, ::8] = 0.8
    source = waves(1, 40)
    generator = torch.Generator().manual_seed(0)

    def edges_kept(blending):
        result, mask = NSA(blending=blending, size=(0.3, 0.3), patches=1).synthesize(image, source, generator)
        steps = (result[0].diff(dim=1).abs() > 0.5)[mask[:, 1:] > 0]
        return steps.float().mean() / (image[0].diff(dim=1).abs() > 0.5)[mask[:, 1:] > 0].float().mean()

    assert edges_kept("mixed") > 0.9 and edges_kept("normal") < 0.5


def test_wrong_settings_are_refused_in_one_line():
    with pytest.raises(UserError, match=r"nsa: resize is .*; write \[lowest, highest\] between 0.1 and 10"):
        NSA(resize=(1.3, 0.7))
    with pytest.raises(UserError, match="nsa: patches is 0"):
        NSA(patches=0)
