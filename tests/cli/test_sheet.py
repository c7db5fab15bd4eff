import numpy as np
import pytest
from PIL import Image

from adcore.cli import main
from adcore.cli.candidates import FILES, candidates

TINY = ["--size", "40", "--count", "2"]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "made" / "sheet.png"


def sheet(out, *arguments):
    assert main(["sheet", *arguments, *TINY, "--out", str(out)]) == 0
    return np.asarray(Image.open(out))


def test_a_data_set_has_a_row_for_each_category(out, capsys):
    page = sheet(out, "demo", "--data.size", "40", "--data.normals", "4")
    assert capsys.readouterr().out == f"20 images in {out}\n"  # 2 of 5 categories
    assert page.shape[1] == 10 * 44 + 4 and 2 * 40 < page.shape[0] < 2 * 40 + 80


def test_a_folder_is_a_data_set(out, tmp_path, capsys):
    for place, count in (("train/good", 2), ("test/good", 1), ("test/dent", 1), ("test/scratch", 2)):
        (tmp_path / "parts" / place).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (50, 40), (40 * i, 90, 90)).save(tmp_path / "parts" / place / f"{i}.png")
    sheet(out, str(tmp_path / "parts"))
    assert capsys.readouterr().out.startswith("6 images")


def test_synthesizers_show_normal_defect_and_mask(out, capsys):
    data = ["--data", "products", "--data.count", "2", "--data.image_size", "40"]
    page = sheet(out, "missing", "nsa", *data, "--synthesizers.1.patches", "1")
    assert capsys.readouterr().out == f"12 images in {out}\n"
    top, gap = page.shape[0] - 44, 4
    normal, defect, mask = (page[top : top + 40, gap + i * 44 : gap + i * 44 + 40].astype(int) for i in range(3))
    assert (mask[14:] == mask[14:, :, :1]).all()  # below the captions
    changed = np.abs(defect - normal).max(2)[14:]
    assert changed[mask[14:, :, 0] == 0].max(initial=0) == 0


def test_the_same_seed_draws_the_same_sheet(out):
    data = ["--data.size", "40", "--data.normals", "2", "--data.categories", "[gear]"]
    one, two, other = (sheet(out, "warp", *data, "--seed", seed) for seed in "001")
    assert (one == two).all() and (one != other).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["misssing"], "'misssing' is no data set, synthesizer or folder; did you mean 'missing'?"),
        (["nsa", "products"], "nsa products: name one data set, or only synthesizers"),
        (["./gone"], "./gone: no such folder (data.root)"),
        (["nsa", "--head", "focal"], "--head: a sheet takes --data and --synthesizers"),
        (["demo", "--data", "products"], "--data: what a sheet shows is named first; demo is shown"),
        (["products", "--data.count", "0"], "products: count is 0"),
        (["products", "--data.cuont", "1"], "has no argument 'cuont'"),
        (["nsa", "--count", "0"], "--count is 0, it has to be at least 1"),
        (["nsa", "--out", "a.jpg"], "--out a.jpg: a sheet is a PNG; write a.png"),
        (
            ["nsa", "--data.categories", "[gear]", "--out", "/dev/null/a.png"],
            "cannot write the sheet to /dev/null/a.png",
        ),
    ],
)
def test_a_mistake_is_one_line(arguments, message, capsys):
    assert main(["sheet", *arguments, *([] if "--count" in arguments else TINY)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("adcore: error: ") and error.count("\n") == 1
    assert message in error


def test_data_sets_and_synthesizers_are_completed():
    found = candidates(["sheet", ""])
    assert {"products", "demo", "nsa", "missing", FILES} <= found.keys() and "kmeans" not in found
    assert "--data.count" in candidates(["sheet", "nsa", "--data", "products", "--data.c"])
