import pytest
import torch
from scipy.ndimage import uniform_filter

from adcore.baseline import MeanImage


def test_map_is_the_smoothed_difference_to_the_mean():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(5, 3, 12, 17, generator=generator)
    query = torch.rand(3, 12, 17, generator=generator)
    found = MeanImage().fit(iter(images)).map(query)
    expected = uniform_filter((query - images.mean(0)).abs().mean(0).numpy(), 3)
    assert found.shape == (12, 17)
    torch.testing.assert_close(found[1:-1, 1:-1], torch.from_numpy(expected)[1:-1, 1:-1])


def test_highest_where_the_image_departs():
    normal = torch.full((3, 16, 16), 0.5)
    defective = normal.clone()
    defective[:, 4:8, 10:14] = 1
    found = MeanImage().fit([normal, normal]).map(defective)
    assert divmod(int(found.argmax()), 16) in {(row, column) for row in range(5, 7) for column in range(11, 13)}
    assert found[0, 0] == 0


def test_needs_images_first():
    with pytest.raises(ValueError, match="at least one"):
        MeanImage().fit([])
    with pytest.raises(RuntimeError, match="fit"):
        MeanImage().map(torch.zeros(3, 4, 4))
