import numpy as np
import pytest
import torch
from PIL import Image

from adcore.data.decoding import read_image
from adcore.data.resizing import resize_mask, to_tensor, to_uint8


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(20, 900), (900, 20), (1, 1), (1, 50), (64, 64), (37, 91)])
@pytest.mark.parametrize("size", [(64, 64), (33, 70)])
def test_any_shape_fits(shape, size):
    tensor = to_tensor(noise(*shape, 3), size)
    assert tensor.shape == (3, *size) and tensor.dtype == torch.float32
    assert tensor.min() >= 0 and tensor.max() <= 1


def test_right_size_is_left_as_it_is():
    image = noise(24, 30, 3)
    np.testing.assert_array_equal(to_uint8(to_tensor(image, (24, 30))), image)
    assert torch.equal(to_tensor(image, (24, 30)), torch.from_numpy(image).permute(2, 0, 1) / 255)


def test_like_pillow_antialiased_bilinear():
    image = noise(90, 60, 3)
    expected = np.asarray(Image.fromarray(image).resize((20, 30), Image.Resampling.BILINEAR))
    assert np.abs(to_uint8(to_tensor(image, (30, 20))).astype(int) - expected).max() <= 1


def test_same_pixels_same_numbers(tmp_path):
    image = noise(50, 40, 3)
    Image.fromarray(image).save(tmp_path / "a.png")
    from_file = to_tensor(read_image(tmp_path / "a.png"), (32, 32))
    for twin in (image, np.asfortranarray(image), image[::-1].copy()[::-1], np.repeat(image, 2, 1)[:, ::2]):
        assert torch.equal(to_tensor(twin, (32, 32)), from_file)
    assert torch.allclose(to_tensor((image / 255).astype(np.float32), (32, 32)), from_file, atol=1e-6)


def test_input_is_left_untouched():
    image = noise(8, 8, 3)
    image.setflags(write=False)
    to_tensor(image, (8, 8)).zero_()
    np.testing.assert_array_equal(image, noise(8, 8, 3))


def test_mask_takes_the_nearest_pixel():
    mask = noise(9, 13) > 127
    np.testing.assert_array_equal(resize_mask(mask, (9, 13)), mask)
    np.testing.assert_array_equal(resize_mask(mask, (27, 39)), mask.repeat(3, 0).repeat(3, 1))
    np.testing.assert_array_equal(resize_mask(mask, (3, 13)), mask[1::3])
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(mask)[None, None].float(), (31, 7), mode="nearest-exact"
    )
    np.testing.assert_array_equal(resize_mask(mask, (31, 7)), expected[0, 0].bool().numpy())
    assert resize_mask(np.ones((1, 1), bool), (5, 4)).all()


def test_to_uint8_rounds_and_clips():
    tensor = torch.tensor([-1.0, 0.5 / 255 + 1e-4, 0.5, 2.0]).expand(3, 1, 4)
    np.testing.assert_array_equal(to_uint8(tensor)[0, :, 0], [0, 1, 128, 255])
