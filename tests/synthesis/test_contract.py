"""What every synthesizer promises, over all that come with adcore and their variants."""

import pytest
import torch
from adcore_plugins.cutpaste import CutPaste
from adcore_plugins.misplace import Misplace
from adcore_plugins.missing import Missing
from adcore_plugins.nsa import NSA
from adcore_plugins.perlin import Perlin
from adcore_plugins.recolour import Recolour
from adcore_plugins.warp import Warp

from adcore.interfaces import Synthesizer

SYNTHESIZERS = {
    "nsa": NSA(),
    "nsa-mixed": NSA(blending="mixed", shape="rectangle"),
    "nsa-ellipse": NSA(shape="ellipse", patches=1),
    "cutpaste": CutPaste(),
    "cutpaste-scar": CutPaste(variant="scar"),
    "cutpaste-source": CutPaste(variant="rectangle", texture="source"),
    "perlin": Perlin(),
    "perlin-blob": Perlin(shape="blob", fill="source"),
    "perlin-scratch": Perlin(shape="scratch", fill="flat"),
    "perlin-noise": Perlin(fill="noise"),
    "missing": Missing(),
    "warp": Warp(),
    "recolour": Recolour(),
    "misplace-move": Misplace("move"),
    "misplace-turn": Misplace("turn"),
    "misplace-copy": Misplace("copy"),
}


@pytest.fixture(params=SYNTHESIZERS)
def synthesizer(request) -> Synthesizer:
    return SYNTHESIZERS[request.param]


def texture(height=128, width=128, seed=0, grey=False):
    """Coloured waves with grain."""
    generator = torch.Generator().manual_seed(seed)
    phase, shade = 6 * torch.rand(3, 1, 1, generator=generator), torch.tensor([0.5, 0.4, 0.6])[:, None, None]
    y, x = torch.arange(height)[:, None] / 128, torch.arange(width)[None] / 128
    waves = shade + 0.2 * torch.sin(40 * (x + 0.3 * y) + phase) + 0.1 * torch.sin(15 * y)
    image = (waves + 0.03 * torch.randn(3, height, width, generator=generator)).clamp(0, 1)
    return image[:1].repeat(3, 1, 1) if grey else image


def part(seed=0):
    """A textured disc before a white background, and where it is."""
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    inside = (y - 64) ** 2 + (x - 64) ** 2 < 36**2
    return torch.where(inside, texture(seed=seed) * 0.8, torch.ones(())), inside


def test_image_and_mask_agree(synthesizer):
    image, source = texture(), texture(seed=1)
    kept = image.clone(), source.clone()
    generator = torch.Generator().manual_seed(0)
    seen, right, anomalous = 0, 0, 0
    for _ in range(40):
        result, mask = synthesizer.synthesize(image, source, generator)
        assert result.shape == image.shape and mask.shape == image.shape[1:]
        assert result.dtype == mask.dtype == torch.float32
        assert min(result.min(), mask.min()) >= 0 and max(result.max(), mask.max()) <= 1
        change = (result - image).abs().amax(0)
        assert (change[mask == 0] == 0).all()
        seen += bool((mask > 0.5).any())
        right += int((change[mask > 0.5] >= 2 / 255).sum())
        anomalous += int((mask > 0.5).sum())
    assert seen >= 38
    assert right >= 0.97 * anomalous
    assert torch.equal(image, kept[0]) and torch.equal(source, kept[1])


def test_label_grows_with_the_change(synthesizer):
    image, source = texture(), texture(seed=1)
    generator = torch.Generator().manual_seed(0)
    pairs = [synthesizer.synthesize(image, source, generator) for _ in range(20)]
    masks = torch.stack([mask for _, mask in pairs])
    changes = torch.stack([(result - image).abs().amax(0) for result, _ in pairs])
    low, high = (changes[(masks > at) & (masks <= at + 0.3)].mean() for at in (0.2, 0.7))
    assert high > 1.5 * low


def test_seeded_by_the_generator_alone(synthesizer):
    image, source = texture(), texture(seed=1)
    torch.manual_seed(0)
    one = synthesizer.synthesize(image, source, torch.Generator().manual_seed(5))
    state = torch.get_rng_state()
    torch.manual_seed(1)
    two = synthesizer.synthesize(image, source, torch.Generator().manual_seed(5))
    other = synthesizer.synthesize(image, source, torch.Generator().manual_seed(6))
    assert torch.equal(one[0], two[0]) and torch.equal(one[1], two[1]) and not torch.equal(one[1], other[1])
    torch.manual_seed(0)
    assert torch.equal(state, torch.get_rng_state()), "the global generator was used"


def test_defects_land_on_the_object(synthesizer):
    (image, inside), (source, _) = part(), part(seed=1)
    generator = torch.Generator().manual_seed(0)
    masks = [synthesizer.synthesize(image, source, generator)[1] > 0.5 for _ in range(30)]
    touching = sum(bool((mask & inside).any()) for mask in masks)
    on_object = sum(int((mask & inside).sum()) for mask in masks) / sum(int(mask.sum()) for mask in masks)
    assert touching == 30 and on_object > 0.6  # the disc covers a quarter of the image


def test_defects_differ_in_place_and_size(synthesizer):
    image, source = texture(), texture(seed=1)
    generator = torch.Generator().manual_seed(0)
    masks = torch.stack([synthesizer.synthesize(image, source, generator)[1] > 0.5 for _ in range(40)])
    areas = masks.sum((1, 2)).float()
    assert areas.quantile(0.9) > 3 * areas.quantile(0.1)
    centres = torch.stack([mask.nonzero().float().mean(0) for mask in masks])
    assert (centres.std(0) > 20).all()


def test_grey_stays_grey(synthesizer):
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        result, _ = synthesizer.synthesize(texture(grey=True), texture(seed=1, grey=True), generator)
        assert (result.amax(0) - result.amin(0)).max() < 1e-4


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (8, 8), (32, 32), (20, 900), (300, 40)])
def test_any_size(synthesizer, size):
    image, source = texture(*size), texture(*size, seed=1)
    generator = torch.Generator().manual_seed(0)
    found = 0
    for _ in range(5):
        result, mask = synthesizer.synthesize(image, source, generator)
        assert result.shape == image.shape and mask.shape == size and result.isfinite().all()
        assert torch.equal(result[:, mask == 0], image[:, mask == 0])
        found += bool(mask.any())
    assert found >= 4 or min(size) < 20


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_without_any_texture_nothing_is_invented(level):
    plain = torch.full((3, 64, 64), level)
    result, mask = NSA().synthesize(plain, plain, torch.Generator().manual_seed(0))
    assert torch.equal(result, plain) and not mask.any()
