from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adcore.synthesis.foreground import foreground

DATA = Path(__file__).parents[2] / "../shared/data"


def disc(height, width, background, colour, radius, centre=0.5, noise=0.02, seed=0):
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    inside = (y - height * centre) ** 2 + (x - width / 2) ** 2 < radius**2
    image = torch.where(inside, torch.tensor(colour)[:, None, None], torch.tensor(background)[:, None, None])
    noisy = image + noise * torch.randn(3, height, width, generator=torch.Generator().manual_seed(seed))
    return noisy.clamp(0, 1), inside


@pytest.mark.parametrize(
    ("background", "colour"),
    [([1.0, 1.0, 1.0], [0.2, 0.2, 0.25]), ([0.05, 0.05, 0.05], [0.4, 0.4, 0.4]), ([0.3, 0.5, 0.3], [0.5, 0.3, 0.3])],
)
@pytest.mark.parametrize("size", [(128, 128), (70, 200), (32, 32)])
def test_object_before_a_plain_background(size, background, colour):
    image, inside = disc(*size, background, colour, 0.35 * min(size))
    found = foreground(image)
    assert found.shape == inside.shape and found.dtype == torch.bool
    assert (found == inside).float().mean() > 0.95


def test_object_that_touches_the_border():
    image, inside = disc(128, 128, [0.9, 0.9, 0.9], [0.3, 0.3, 0.3], 40, centre=0.2)
    assert (foreground(image) == inside).float().mean() > 0.95


def textures():
    generator = torch.Generator().manual_seed(0)
    x = torch.linspace(0, 1, 128)
    yield "flat", torch.full((3, 128, 128), 0.5)
    yield "grain", torch.rand(3, 128, 128, generator=generator)
    yield "stripes", (0.5 + 0.3 * torch.sin(40 * x)).expand(3, 128, 128)
    yield "fabric", (0.5 + 0.2 * torch.sin(60 * x + 1) * torch.sin(60 * x + 2)[:, None]).expand(3, 128, 128)
    yield "shading", (0.3 + 0.4 * x).expand(3, 128, 128)


@pytest.mark.parametrize(("name", "image"), textures(), ids=lambda value: value if isinstance(value, str) else "")
def test_textures_have_no_background(name, image):
    assert foreground(image).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (20, 900)])
def test_any_size(size):
    found = foreground(torch.rand(3, *size, generator=torch.Generator().manual_seed(0)))
    assert found.shape == size and found.any()


@pytest.mark.parametrize(("category", "lowest", "highest"), [("bottle", 0.6, 0.7), ("mtd", 1.0, 1.0)])
def test_real_images(category, lowest, highest):
    files = sorted((DATA / category / "train/good").glob("*"))[::20]
    if not files:
        pytest.skip("the shared data is not next to the repository")
    for file in files:
        pixels = np.asarray(Image.open(file).convert("RGB").resize((256, 256)), dtype=np.float32) / 255
        share = foreground(torch.from_numpy(pixels).permute(2, 0, 1)).float().mean()
        assert lowest <= share <= highest, file.name
