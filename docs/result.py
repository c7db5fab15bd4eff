"""Compose docs/result.png from a finished demo run: the same plates judged on two lines.

Usage: python docs/result.py runs/unified docs/result.png
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from adcore_plugins.demo import Demo
from PIL import Image, ImageDraw, ImageFont

from adcore.maps import picture
from adcore.model import load

CASES = ("good/003", "brushed/004", "scratch/001", "misplaced/003")
SIDE, GAP, TOP, BOTTOM = 176, 12, 28, 24


def main(run: Path, target: Path) -> None:
    """Judge each case in both contexts and paste image and overlays side by side."""
    model, demo = load(run), Demo()
    samples = {sample.path: sample for sample in demo.samples()}
    verdicts = {(row["path"], row["context"]): row for row in csv.DictReader((run / "predictions.csv").open())}
    width, height = 3 * (SIDE + GAP) + GAP, TOP + len(CASES) * (SIDE + BOTTOM)
    sheet = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for column, title in enumerate(("test image", "judged on line_a", "judged on line_b")):
        draw.text((GAP + column * (SIDE + GAP), 8), title, "black", font)
    for row, case in enumerate(CASES):
        path, y = f"demo/plate/test/{case}.png", TOP + row * (SIDE + BOTTOM)
        image = np.array(demo.image(samples[path]))
        pictures, captions = [image], [case.split("/")[0]]
        for context in ("plate_line_a", "plate_line_b"):
            prediction = model.predict(image, context)
            pictures.append(picture(image, prediction, model.context(context)))
            captions.append(f"{verdicts[path, context]['decision']}, p = {prediction.p_value:.3f}")
        for column, (pixels, caption) in enumerate(zip(pictures, captions, strict=True)):
            x = GAP + column * (SIDE + GAP)
            sheet.paste(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x, y))
            draw.text((x, y + SIDE + 3), caption, "#c01030" if caption.startswith("anom") else "#207040", font)
    sheet.quantize(128).save(target, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
