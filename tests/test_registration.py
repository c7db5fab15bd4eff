import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from adcore.registration import register
from adcore.similarity import Similarity, warp

SIZE = (160, 200)


def board(seed=0):
    """A drawn circuit board, larger than what is cut out of it, [3, 260, 300]."""
    draws = np.random.default_rng(seed)
    image = Image.new("RGB", (300, 260), (20, 90, 50))
    pen = ImageDraw.Draw(image)
    for x, y, side in draws.integers((0, 0, 8), (290, 250, 40), (60, 3)).tolist():
        colour = tuple(draws.integers(0, 255, 3).tolist())
        pen.rectangle((x, y, x + side, y + side // 2), fill=colour)
        pen.line((x, y, x + 2 * side, y + 3 * side), fill=(200, 170, 60), width=2)
    return tensor(image)


def tensor(image):
    return torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)


def seen(image, dx=0.0, dy=0.0, degrees=0.0, scale=1.0):
    """The middle of an image that was moved by Pillow, [3, *SIZE]."""
    height, width = image.shape[1:]
    angle = math.radians(degrees)
    a, b = math.cos(angle) / scale, math.sin(angle) / scale
    x, y = width / 2, height / 2
    matrix = (a, -b, x - a * (x + dx) + b * (y + dy), b, a, y - b * (x + dx) - a * (y + dy))
    picture = Image.fromarray((image.permute(1, 2, 0) * 255).round().byte().numpy())
    moved = tensor(picture.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC))
    top, left = (height - SIZE[0]) // 2, (width - SIZE[1]) // 2
    return moved[:, top : top + SIZE[0], left : left + SIZE[1]]


@pytest.mark.parametrize(
    "true",
    [(0.7, 0.4, 0.0, 1.0), (-3.3, 5.2, 1.5, 1.0), (21.0, -17.0, -6.0, 1.07), (4.0, 9.0, 13.0, 0.86), (0, 0, -9, 1.2)],
)
@pytest.mark.parametrize("nuisance", [False, True])
def test_a_known_transform_is_found(true, nuisance):
    reference, moved = seen(board()), seen(board(), *true)
    if nuisance:  # another lamp, noise, and a defect on a sixth of the image
        light = torch.linspace(0.6, 1, SIZE[1])
        moved = (
            moved * light + 0.05 + 0.02 * torch.randn(moved.shape, generator=torch.Generator().manual_seed(1))
        ).clamp(0, 1)
        moved[:, 50:120, 60:135] = torch.tensor([0.9, 0.2, 0.1])[:, None, None]
    found = register(reference, moved)
    transform = found.transform
    assert transform.size == SIZE
    assert abs(transform.dx - true[0]) < 0.5 and abs(transform.dy - true[1]) < 0.5
    assert abs(transform.degrees - true[2]) < 0.2
    assert abs(transform.scale / true[3] - 1) < 0.005
    assert found.fit > 0.7 and found.fit > found.before


def test_warping_lays_the_image_on_the_other():
    reference, moved = seen(board()), seen(board(), 12, -7, 5, 1.05)
    warped, inside = warp(reference, register(reference, moved).transform)
    assert 0.7 < inside.float().mean() < 0.99
    error = (warped - moved).abs().mean(0)
    assert error[inside].mean() < 0.03 < (reference - moved).abs().mean()


def test_pixels_mean_those_of_the_original():
    """Images may be resized without keeping the aspect: a rotation is one in the original."""
    reference, moved = seen(board()), seen(board(), 6, -4, 7, 0.95)
    square = [torch.nn.functional.interpolate(image[None], (128, 128), mode="area")[0] for image in (reference, moved)]
    transform = register(*square, size=SIZE).transform
    assert abs(transform.dx - 6) < 0.5 and abs(transform.dy + 4) < 0.5 and abs(transform.degrees - 7) < 0.3
    warped, inside = warp(square[0], transform)
    assert (warped - square[1]).abs().mean(0)[inside].mean() < 0.05


def test_images_that_lie_right_are_left_alone():
    image = seen(board())
    noisy = (image + 0.05 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    for other in (image, noisy, image * 0.7):
        assert register(image, other).transform == Similarity(SIZE)
    warped, inside = warp(image, Similarity(SIZE))
    assert warped is image and inside.all()


@pytest.mark.parametrize("blur", [1, 5])
def test_textures_without_a_common_structure_are_refused(blur):
    draws = torch.Generator().manual_seed(0)
    noise = torch.rand(2, 3, *SIZE, generator=draws)
    one, other = torch.nn.functional.avg_pool2d(noise, blur, 1, blur // 2)
    assert register(one, other).transform.identity


def test_other_things_are_refused():
    assert register(seen(board(0)), seen(board(1))).transform.identity
    flat = torch.full((3, *SIZE), 0.5)
    assert register(flat, seen(board())).transform.identity and register(flat, flat).transform.identity


def test_the_threads_of_the_process_are_left_as_they_were():
    threads = torch.get_num_threads()
    register(seen(board()), seen(board()))
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("size", [(8, 8), (20, 900), (1, 1)])
def test_any_size_will_do(size):
    one, other = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    assert register(one, other).transform.size == size
    black = torch.zeros(3, *size)
    assert register(black, black).transform.identity
