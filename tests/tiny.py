"""Whole runs in a second: tiny recipes, tiny images on disk, and how to run them."""

from __future__ import annotations

import copy
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from adcore.recipe import parse

BACKBONE = {"name": "timm", "model": "test_resnet.r160_in1k", "weights": "none"}
SWIN = {"name": "swin", "depths": [1, 1, 1], "width": 32, "window": 4, "weights": "none"}
MATCHER = {"name": "anomalygpt", "whiten": 0.05}
SYNTHESIZERS = ["nsa", "cutpaste", "perlin"]
TRAINING = {"epochs": 2, "steps": 2, "batch_size": 4}

UNIFIED = {
    "data": {"name": "demo", "categories": ["plate_line_a", "plate_line_b"], "normals": 12, "size": 32},
    "backbone": BACKBONE,
    "matcher": MATCHER,
    "head": {"name": "focal", "input": "relation", "width": 8, "dimension": 4},
    "clusterer": "kmeans",
    "synthesizers": SYNTHESIZERS,
    "fuser": "rank",
    "context": {"shots": 3, "false_alarm_rate": 0.2},
    "training": TRAINING,
}
"""Both branches, a rank fuser and a head that reads the relation; one part made on two lines."""


def recipe(root: str | Path | None = None, **changes: Any) -> dict[str, Any]:
    """`UNIFIED` with other keys, on the images in `root` where it is given; without a head nothing is trained."""
    content = copy.deepcopy(UNIFIED) | changes
    if root is not None:
        content |= {"data": {"name": "folder", "root": str(root)}, "image_size": content.get("image_size", 32)}
    if content["head"] is None:
        content |= {"clusterer": None, "synthesizers": []}
    return content


def run(out: Path, content: Mapping[str, Any], resume: bool = False) -> dict[str, Any]:
    """Run a recipe as the command does; returns the metrics."""
    parsed = parse(content)
    return parsed.build().run(out, parsed.dump(), resume)


def write_recipe(path: Path, content: Mapping[str, Any]) -> str:
    """A recipe as a file, for the command line; returns its path."""
    path.write_text(yaml.safe_dump(dict(content)))
    return str(path)


def write_set(
    root: Path,
    normals: int = 8,
    good: int = 3,
    bad: int = 3,
    masks: bool = True,
    sizes: Sequence[tuple[int, int]] = ((32, 32),),
    modes: Sequence[str] = ("RGB",),
    trained: int = 0,
) -> Path:
    """Write one category in MVTec layout.

    Args:
        root: folder of the category.
        normals: images in train/good.
        good: images in test/good.
        bad: images in test/dent, each with a bright square.
        masks: whether the dents have masks.
        sizes: (width, height) of the images, in turn.
        modes: Pillow modes of the images, in turn.
        trained: images in train/scratch, real anomalies to train on.
    """
    draws = np.random.default_rng(0)
    for split, defect, count in (
        ("train", "good", normals),
        ("train", "scratch", trained),
        ("test", "good", good),
        ("test", "dent", bad),
    ):
        for index in range(count):
            width, height = sizes[index % len(sizes)]
            pixels = draws.integers(60, 120, (height, width, 3), dtype=np.uint8)
            truth = np.zeros((height, width), np.uint8)
            if defect != "good":
                truth[height // 4 : height // 2, width // 4 : width // 2] = 255
                pixels[truth > 0] = 230
                if masks:
                    save(Image.fromarray(truth), root / "ground_truth" / defect / f"{index:02}_mask.png")
            image = Image.fromarray(pixels).convert(modes[index % len(modes)])
            suffix = ".jpg" if image.mode == "CMYK" else ".png"
            save(image, root / split / defect / f"{index:02}{suffix}")
    return root


def save(image: Image.Image, file: Path) -> Path:
    """Save an image, its folders too."""
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file)
    return file


def rows(out: Path) -> list[dict[str, str]]:
    """The lines of a folder's ``predictions.csv``."""
    with (out / "predictions.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, byte by byte."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
