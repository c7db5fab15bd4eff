import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adcore.cli import demo
from adcore.data.demo import writing
from adcore.errors import UserError


def run(*arguments):
    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    return demo.run(parser.parse_args([str(argument) for argument in arguments]))


def test_layout_and_message(tmp_path, capsys):
    assert run(tmp_path / "new", "--categories", "plate_line_b", "plate_line_a", "--normals", 1, "--size", 32) == 0
    assert "132 images of plate_line_a, plate_line_b written" in capsys.readouterr().out
    a, b = tmp_path / "new/plate_line_a", tmp_path / "new/plate_line_b"
    assert len(list((a / "test/good").iterdir())) == 40 and len(list((b / "test/good").iterdir())) == 20
    link = b / "test/brushed/003.png"
    assert link.is_symlink() and not link.readlink().is_absolute()
    assert link.resolve() == (a / "test/good/brushed_003.png").resolve()
    mask = np.asarray(Image.open(b / "ground_truth/brushed/003_mask.png"))
    assert mask.shape == (32, 32) and set(np.unique(mask)) == {0, 255}
    assert not (a / "ground_truth/brushed").exists()


def test_copies_where_there_are_no_links(tmp_path, monkeypatch):
    def refuse(self, target):
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for _ in writing.write(tmp_path, ["plate_line_a", "plate_line_b"], normals=1, size=32, seed=0):
        pass
    original, copy = tmp_path / "plate_line_a/test/blob/000.png", tmp_path / "plate_line_b/test/blob/000.png"
    assert not copy.is_symlink() and copy.read_bytes() == original.read_bytes()


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(UserError, match="is not empty"):
        run(tmp_path)
    with pytest.raises(UserError, match=r"cannot write .*mine\.txt"):
        run(tmp_path / "mine.txt")
    with pytest.raises(UserError, match="no category 'plates'"):
        run(tmp_path / "new", "--categories", "plates")
    assert not (tmp_path / "new").exists()


def test_writing_needs_no_torch(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from adcore.cli import demo; from adcore.data.demo.writing import write\n"
        f"next(write(Path({str(tmp_path)!r}), ['gear'], 1, 32, 0)); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
