import torch

from adcore.synthesis.region import coherent_region, salient_place, soft


def plate(size=96):
    """A dark screw on a light plate before a white background; where the screw is; where the plate is."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    screw, on = (y - 30) ** 2 + (x - 40) ** 2 < 64, (y - 48).abs().maximum((x - 48).abs()) < 36
    image = torch.where(screw, 0.1, torch.where(on, 0.6, 1.0)).expand(3, size, size).clone()
    return image, screw, on


def test_places_are_on_the_object_and_mostly_where_something_is():
    image, screw, on = plate()
    generator = torch.Generator().manual_seed(0)
    places = [salient_place(image, on, generator) for _ in range(100)]
    assert sum(bool(on[place]) for place in places) > 95  # cells at the rim lie half on it
    assert sum(bool(screw[place]) for place in places) > 100 * float(screw.sum()) / float(on.sum()) * 2


def test_a_region_ends_where_the_part_ends():
    image, screw, on = plate()
    generator = torch.Generator().manual_seed(0)
    regions = [coherent_region(image, on, (0.25, 0.3), 0.5, generator) for _ in range(60)]
    assert all(region.any() for region in regions)
    on_screw = [region for region in regions if float(screw[region].float().mean()) > 0.9]
    assert len(on_screw) >= 3
    assert max(float(region.sum()) for region in on_screw) <= float(screw.sum()) * 1.3
    assert max(float(region.sum()) for region in regions) < (0.33 * 96) ** 2


def test_a_soft_edge_stays_near_the_region():
    region = torch.zeros(20, 20, dtype=torch.bool)
    region[5:15, 5:15] = True
    edge = soft(region)
    assert edge[10, 10] == 1 and edge[3, 3] == 0 and 0 < edge[5, 5] < 1
