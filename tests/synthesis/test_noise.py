import torch

from adcore.synthesis.noise import perlin


def grid(size, cell):
    at = torch.arange(size) / cell
    return at[:, None].expand(size, size), at.expand(size, size)


def test_bounded_centred_and_not_flat():
    noise = perlin(*grid(400, 10), torch.Generator().manual_seed(0))
    assert noise.abs().max() <= 0.7072 and noise.mean().abs() < 0.02 and 0.15 < noise.std() < 0.35


def test_features_are_about_one_cell_wide():
    noise = perlin(*grid(400, 20), torch.Generator().manual_seed(0))
    close, far = ((noise[lag:] * noise[:-lag]).mean() / noise.square().mean() for lag in (4, 30))
    assert close > 0.7 and far.abs() < 0.15


def test_smooth_across_cells():
    noise = perlin(*grid(400, 20), torch.Generator().manual_seed(0))
    assert max(noise.diff(dim=0).abs().max(), noise.diff(dim=1).abs().max()) < 3 / 20


def test_seeded_by_the_generator_and_ready_for_any_points():
    u = torch.tensor([-7.3, 0.0, 12.9])
    one, two = (perlin(u, u * 0, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two) and not torch.equal(one, perlin(u, u * 0, torch.Generator().manual_seed(4)))
    assert perlin(u[:1], u[:1], torch.Generator()).shape == (1,)
