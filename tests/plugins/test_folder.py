import os
from pathlib import Path

import numpy as np
import pytest
from adcore_plugins.demo import Demo
from adcore_plugins.folder import Folder
from PIL import Image

from adcore.data.demo.writing import write
from adcore.errors import UserError

SHARED = Path(__file__).parents[2] / "../shared/data"


def save(file, size=(16, 12), value=128):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(file, format="PNG" if file.suffix not in (".jpg", ".bmp", ".tif") else None)
    return file


@pytest.fixture
def part(tmp_path):
    """One category with two normals, a good and two bad test images, one of them with a mask."""
    root = tmp_path / "set" / "part"
    for name in ("train/good/0.png", "train/good/1.png", "test/good/0.png", "test/dent/0.png", "test/dent/1.jpg"):
        save(root / name)
    save(root / "ground_truth/dent/0_mask.png", value=255)
    return root


def paths(root, **options):
    return [Path(sample.path).relative_to(root).as_posix() for sample in Folder(str(root), **options).samples()]


def test_one_category_or_many(part):
    save(part.parent / "other/train/good/a.png")
    save(part.parent / "notes/figure.png")
    alone = Folder(str(part)).samples()
    assert {sample.category for sample in alone} == {"part"}
    many = Folder(str(part.parent)).samples()
    assert [sample.category for sample in many] == ["other"] + ["part"] * 5
    assert many[1:] == alone
    assert {sample.category for sample in Folder(str(part.parent), ["part"]).samples()} == {"part"}


def test_labels_and_masks(part):
    data = Folder(str(part))
    data.check()
    found = {(sample.split, sample.defect, Path(sample.path).name): sample for sample in data.samples()}
    assert len(found) == 5
    marked, unmarked = found["test", "dent", "0.png"], found["test", "dent", "1.jpg"]
    assert marked.label and data.mask(marked).all() and data.mask(marked).shape == (12, 16)
    assert unmarked.label and data.mask(unmarked) is None
    good = found["test", "good", "0.png"]
    assert not good.label and data.mask(good).shape == (12, 16) and not data.mask(good).any()
    assert data.image(good).shape == (12, 16, 3)


def test_masks_may_be_missing_or_named_like_the_image(part):
    (part / "ground_truth/dent/0_mask.png").rename(part / "ground_truth/dent/0.bmp")
    assert sum(sample.mask is not None for sample in Folder(str(part)).samples()) == 1
    (part / "ground_truth/dent/0.bmp").unlink()
    (part / "ground_truth/dent").rmdir()
    (part / "ground_truth").rmdir()
    assert not any(sample.mask for sample in Folder(str(part)).samples())


def test_natural_order_without_what_is_no_image(part):
    for name in ("10.png", "2.TIF", ".hidden.png", "notes.txt", "Thumbs.db"):
        save(part / "train/good" / name)
    save(part / "test/.cache/0.png")
    save(part / "train/apple/0.png")
    assert paths(part) == [
        *(f"train/good/{name}" for name in ("0.png", "1.png", "2.TIF", "10.png")),
        "train/apple/0.png",
        "test/good/0.png",
        "test/dent/0.png",
        "test/dent/1.jpg",
    ]


def test_real_anomalies_to_train_on(part):
    save(part / "train/dent/7.png")
    save(part / "ground_truth/dent/7_mask.png", value=255)
    anomaly = next(sample for sample in Folder(str(part)).samples() if sample.split == "train" and sample.label)
    assert anomaly.mask.endswith("7_mask.png")
    save(part / "train/dent/0.png")
    with pytest.raises(UserError, match=r"0_mask\.png: does it belong to .*train/dent/0\.png or .*test/dent/0\.png"):
        Folder(str(part)).samples()


def test_wrong_extension_is_read_all_the_same(part):
    Image.new("RGB", (16, 12), "red").save(part / "train/good/0.png", format="JPEG")
    Folder(str(part)).check()


def test_no_tests_are_no_error(part):
    for image in (part / "test").rglob("*.*"):
        image.unlink()
    (part / "ground_truth/dent/0_mask.png").unlink()
    assert len(Folder(str(part)).samples()) == 2


def broken(part, how):
    """Break the set; what the error has to say."""
    if how == "no root":
        return Folder(str(part / "nowhere")), "nowhere: no such folder"
    if how == "root is a file":
        return Folder(str(part / "train/good/0.png")), "is not a folder"
    if how == "no category":
        return Folder(str(part / "test")), r"no category in it, expected .*train/good"
    if how == "unknown category":
        return Folder(str(part.parent), ["prat"]), r"no category 'prat'; did you mean 'part'\?; it has part"
    if how == "no normals":
        for image in (part / "train/good").iterdir():
            image.unlink()
        return Folder(str(part)), r"train/good: no images"
    if how == "orphan":
        save(part / "ground_truth/dent/8_mask.png")
        return Folder(str(part)), r"8_mask\.png: a mask without its image, expected .*test/dent/8\.\*"
    if how == "orphan defect":
        save(part / "ground_truth/dint/0.png")
        return Folder(str(part)), r"ground_truth/dint/0\.png: a mask without its image"
    if how == "two masks":
        save(part / "ground_truth/dent/0_mask.bmp")
        return Folder(str(part)), "two masks of one image"
    if how == "shared mask":
        save(part / "test/dent/0.bmp")
        return Folder(str(part)), r"does it belong to .*0\.bmp or .*0\.png"
    if how == "mask of another size":
        save(part / "ground_truth/dent/0_mask.png", size=(16, 13))
        return Folder(str(part)), r"0_mask\.png: the mask is 16 x 13 pixels, its image .*0\.png 16 x 12 pixels"
    file = (
        part
        / {"truncated": "test/dent/1.jpg", "empty": "train/good/1.png", "text": "ground_truth/dent/0_mask.png"}[how]
    )
    content = {"truncated": file.read_bytes()[:-60], "empty": b"", "text": b"no image"}[how]
    file.write_bytes(content)
    return Folder(str(part)), rf"{file.name}: unreadable image"


@pytest.mark.parametrize(
    "how",
    [
        "no root",
        "root is a file",
        "no category",
        "unknown category",
        "no normals",
        "orphan",
        "orphan defect",
        "two masks",
        "shared mask",
        "mask of another size",
        "truncated",
        "empty",
        "text",
    ],
)
def test_what_is_wrong_is_named_in_one_line(part, how):
    data, message = broken(part, how)
    with pytest.raises(UserError, match=message) as error:
        data.check()
    assert "\n" not in str(error.value)


def test_links_to_one_file_are_one_image(part):
    line = part.parent / "line_b"
    save(line / "train/good/0.png")
    (line / "test/rust").mkdir(parents=True)
    os.symlink("../../../part/test/good/0.png", line / "test/rust/x.png")
    (line / "test/dent").symlink_to("../../part/test/dent")
    samples = Folder(str(part.parent)).samples()
    shared = [sample for sample in samples if sample.path == str(part / "test/good/0.png")]
    assert [(sample.category, sample.label) for sample in shared] == [("line_b", 1), ("part", 0)]
    assert len({sample.path for sample in samples if sample.defect == "dent"}) == 2
    os.symlink("../../train/good/0.png", part / "test/good/leak.png")
    with pytest.raises(UserError, match=r"leak\.png and .*train/good/0\.png are one file"):
        Folder(str(part)).samples()


def test_the_written_demo_reads_back_identically(tmp_path):
    categories = ["board", "plate_line_a", "plate_line_b"]
    demo = Demo(categories, normals=2, size=48)
    files = list(write(tmp_path, categories, normals=2, size=48, seed=0))
    folder = Folder(str(tmp_path))
    folder.check()
    written = {sample.path + sample.category: sample for sample in folder.samples()}
    assert len(files) == len(written) == len(demo.samples())
    for file, made in zip(files, demo.samples(), strict=True):
        read = written[os.path.realpath(file) + made.category]
        assert (read.category, read.split, read.defect, read.label) == (
            made.category,
            made.split,
            made.defect,
            made.label,
        )
        np.testing.assert_array_equal(folder.image(read), demo.image(made))
        np.testing.assert_array_equal(folder.mask(read), demo.mask(made))
    shared = [{s.path for s in folder.samples() if s.split == "test" and s.category == line} for line in categories[1:]]
    assert shared[0] == shared[1] and len(shared[0]) == 65


@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data beside the repository")
def test_real_sets():
    samples = Folder(str(SHARED), ["bottle"]).samples()
    assert sum(sample.split == "train" for sample in samples) == 209
    assert all(sample.mask for sample in samples if sample.label)
    first = next(sample for sample in samples if sample.label)
    data = Folder(str(SHARED), ["bottle"])
    assert data.mask(first).shape == data.image(first).shape[:2] and 0 < data.mask(first).mean() < 0.5
