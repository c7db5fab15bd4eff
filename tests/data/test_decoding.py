import numpy as np
import pytest
from PIL import Image

from adcore.data.decoding import image_size, read_image, read_mask
from adcore.errors import UserError

RAMP = np.arange(12 * 20 * 3, dtype=np.uint8).reshape(12, 20, 3)
GREY = (np.arange(12 * 20).reshape(12, 20) % 256).astype(np.uint8)


def save(path, pixels, **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "webp"])
def test_colour_is_read_exactly(tmp_path, extension):
    options = {"lossless": True} if extension == "webp" else {}
    image = read_image(save(tmp_path / f"image.{extension}", RAMP, **options))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, RAMP)


def test_jpeg_is_read_about_right(tmp_path):
    smooth = np.repeat(np.linspace(0, 255, 32, dtype=np.uint8)[None, :, None], 3, 2).repeat(24, 0)
    assert np.abs(read_image(save(tmp_path / "a.jpg", smooth, quality=95)).astype(int) - smooth).max() <= 4


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA"])
def test_few_colours_become_rgb(tmp_path, mode):
    source = Image.fromarray(GREY).convert(mode)
    expected = np.asarray(source.convert("L"))
    if mode == "LA":
        source.putalpha(255)
    image = read_image(save(tmp_path / "image.png", source))
    assert image.shape == (12, 20, 3)
    np.testing.assert_array_equal(image, np.repeat(expected[:, :, None], 3, 2))


def test_cmyk_keeps_its_colours(tmp_path):
    red = Image.new("RGB", (8, 8), (220, 30, 20)).convert("CMYK")
    for name, options in (("a.tif", {}), ("a.jpg", {"quality": 95})):
        assert np.abs(read_image(save(tmp_path / name, red, **options))[4, 4].astype(int) - (220, 30, 20)).max() < 8


def test_transparency_is_laid_over_black(tmp_path):
    pixels = np.full((4, 6, 4), 200, np.uint8)
    pixels[:, :2, 3], pixels[:, 2:4, 3], pixels[:, 4:, 3] = 0, 128, 255
    image = read_image(save(tmp_path / "a.png", pixels))
    np.testing.assert_array_equal(image[0, :, 0], [0, 0, 100, 100, 200, 200])
    palette = Image.fromarray(pixels[..., 0]).convert("P")
    index = palette.getpixel((0, 0))
    assert not read_image(save(tmp_path / "p.png", palette, transparency=index)).any()


@pytest.mark.parametrize("kind", ["uint16.png", "uint16.tif", "big-endian.tif", "int32.tif", "float32.tif"])
def test_depth_above_8_bits_is_kept(tmp_path, kind):
    levels = np.linspace(0, 65535, 12 * 20).round().reshape(12, 20)
    pixels = {
        "uint16": levels.astype(np.uint16),
        "big-endian": levels.astype(">u2"),
        "int32": levels.astype(np.int32),
        "float32": (levels / 65535).astype(np.float32),
    }[kind.split(".")[0]]
    image = read_image(save(tmp_path / kind, pixels))
    assert image.dtype == np.float32 and image.shape == (12, 20, 3)
    np.testing.assert_allclose(image, np.repeat(levels[:, :, None] / 65535, 3, 2), atol=1e-7)


@pytest.mark.parametrize("value", [255.0, -0.1, float("nan")])
def test_numbers_without_a_known_scale_are_refused(tmp_path, value):
    file = save(tmp_path / "depth.tif", np.full((4, 4), value, np.float32))
    with pytest.raises(UserError, match=r"depth\.tif.*between 0 and 1"):
        read_image(file)


@pytest.mark.parametrize("extension", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_orientation_is_applied(tmp_path, extension, orientation, turn):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = save(tmp_path / f"a.{extension}", upright, exif=exif)
    expected = np.rot90(upright, turn)
    image = read_image(file)
    assert image.shape == expected.shape == (*image_size(file), 3)
    assert np.abs(image.astype(int) - expected).mean() < 5


def test_size_comes_from_the_header(tmp_path):
    file = save(tmp_path / "a.png", np.zeros((30, 70, 3), np.uint8))
    assert image_size(file) == (30, 70)
    file.write_bytes(file.read_bytes()[:60])
    assert image_size(file) == (30, 70)


@pytest.mark.parametrize("extension", ["png", "jpg", "bmp", "tif", "webp"])
def test_truncated_file_is_named(tmp_path, extension):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = save(tmp_path / f"cut.{extension}", noise)
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    with pytest.raises(UserError, match=rf"cut\.{extension}: unreadable") as error:
        read_image(file)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("content", "cause"), [(b"", "empty"), (b"hello", "content is no image"), (None, "no such")])
def test_what_is_no_image_is_named(tmp_path, content, cause):
    file = tmp_path / "none.png"
    if content is not None:
        file.write_bytes(content)
    for read in (read_image, read_mask, image_size):
        with pytest.raises(UserError, match=rf"none\.png: .*{cause}"):
            read(file)


def test_a_file_that_may_not_be_read_is_told_from_a_damaged_one(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("PIL.Image.open", refused)
    with pytest.raises(UserError, match=r"a\.png: unreadable image, replace or remove it \(Permission denied\)"):
        read_image(save(tmp_path / "a.png", RAMP))


def test_content_counts_not_the_extension(tmp_path):
    np.testing.assert_array_equal(read_image(save(tmp_path / "really_a_png.jpg", RAMP, format="PNG")), RAMP)


@pytest.mark.parametrize("mode", ["0/1", "0/255", "bilevel", "16 bit", "16 bit 0/1", "palette", "colour", "RGBA"])
def test_masks_of_any_kind(tmp_path, mode):
    truth = np.zeros((10, 14), bool)
    truth[2:5, 3:9] = True
    grey = truth.astype(np.uint8)
    palette = Image.fromarray(grey).convert("P")
    palette.putpalette([0, 0, 0, 64, 0, 0])
    palette.putdata(grey.ravel().tolist())
    pixels = {
        "0/1": grey,
        "0/255": grey * 255,
        "bilevel": Image.fromarray(truth),
        "16 bit": grey.astype(np.uint16) * 65535,
        "16 bit 0/1": grey.astype(np.uint16),
        "palette": palette,
        "colour": np.stack([grey * 0, grey * 255, grey * 0], 2),
        "RGBA": np.stack([grey * 255] * 3 + [grey * 0 + 255], 2),
    }[mode]
    mask = read_mask(save(tmp_path / "mask.png", pixels))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, truth)


def test_mask_ignores_noise_of_jpeg_and_soft_edges(tmp_path):
    truth = np.zeros((32, 32), np.uint8)
    truth[8:24, 8:24] = 255
    mask = read_mask(save(tmp_path / "mask.jpg", truth, quality=60))
    np.testing.assert_array_equal(mask, truth > 0)
    assert not read_mask(save(tmp_path / "empty.png", truth * 0)).any()
