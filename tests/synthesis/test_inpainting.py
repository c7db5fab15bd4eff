import torch

from adcore.synthesis.inpainting import harmonic, inpaint


def ramp(height=40, width=50):
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    return torch.stack([x / 60, y / 60, (x + y) / 120])


def disc(height=40, width=50, radius=9):
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (y - 20) ** 2 + (x - 25) ** 2 < radius**2


def test_a_plane_is_continued_exactly():
    image, region = ramp(), disc()
    damaged = torch.where(region, torch.rand(3, 40, 50), image)
    torch.testing.assert_close(harmonic(damaged, region), image)


def test_large_regions_are_filled_at_a_coarser_scale():
    image, region = ramp(200, 200), torch.zeros(200, 200, dtype=torch.bool)
    region[50:150, 40:140] = True
    damaged = torch.where(region, 0.0, image)
    result = harmonic(damaged, region)
    assert (result - image).abs().max() < 0.03
    assert torch.equal(result[:, ~region], image[:, ~region])


def test_a_region_at_the_edge_and_nothing_known():
    image, region = ramp(), torch.zeros(40, 50, dtype=torch.bool)
    region[:10, :10] = True
    assert harmonic(image, region).isfinite().all()
    everything = torch.ones(40, 50, dtype=torch.bool)
    assert torch.equal(inpaint(image, everything), image)
    assert torch.equal(inpaint(image, ~everything), image)


def test_a_part_vanishes_and_the_grain_of_its_surroundings_takes_its_place():
    generator = torch.Generator().manual_seed(0)
    ground = 0.5 + 0.05 * torch.randn(3, 60, 60, generator=generator)
    region = torch.zeros(60, 60, dtype=torch.bool)
    region[20:35, 22:40] = True
    filled = inpaint(torch.where(region, 0.95, ground), region)
    assert (filled[:, region].mean() - 0.5).abs() < 0.03
    assert 0.02 < filled[:, region].std() < 0.07
    far = torch.ones(60, 60, dtype=torch.bool)
    far[14:41, 16:46] = False
    assert torch.equal(filled[:, far], ground[:, far])
