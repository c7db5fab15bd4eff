"""What commands that judge image files share: finding them, and writing down one verdict after the other."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from adcore.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from adcore.context import Context
    from adcore.prediction import Prediction

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


class Verdict(NamedTuple):
    """What is written of one image.

    Attributes:
        row: for the csv, after the path.
        line: for the terminal, before the path.
        prediction: for the pictures.
        context: that judged, for their colours; None where none did, and there are no pictures.
    """

    row: Sequence[Any]
    line: str
    prediction: Prediction
    context: Context | None


def image_files(paths: Sequence[Path]) -> list[Path]:
    """The files named, and the images in the folders named.

    Raises:
        UserError: there is none.
    """
    files = list(_files(paths))
    if not files:
        raise UserError(f"{', '.join(map(str, paths))}: no image found there; name files or folders of images")
    return files


def check_unused(out: Path) -> None:
    """Refuse a folder that holds predictions.

    Raises:
        UserError: it does.
    """
    if (out / "predictions.csv").exists():
        raise UserError(f"--out {out}: holds predictions already; name another folder, or remove it")


def judge_files(
    files: Sequence[Path],
    out: Path | None,
    columns: Sequence[str],
    judge: Callable[[np.ndarray], Verdict],
    manner: str,
    at_once: int = 1,
) -> None:
    """Judge files, while the next are read and the pictures of the last are written.

    Args:
        files: images.
        out: folder for ``predictions.csv``, overlays and masks; None writes none.
        columns: of the csv, after the path.
        judge: gives the verdict on one image, as `adcore.data.decoding.read_image` reads it.
        manner: how they were judged, for the last line.
        at_once: images judged at the same time, each by one thread.

    Raises:
        UserError: at the end, if some could not be read.
    """
    from adcore.background import in_background, prefetched
    from adcore.maps import write_overlay_and_mask
    from adcore.store import check_writable

    unreadable = []
    with ExitStack() as stack:
        background = stack.enter_context(in_background())
        if out:
            check_writable(out)
            stream = stack.enter_context((out / "predictions.csv").open("w", newline="", encoding="utf-8"))
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["path", *columns])

        def begun(file: Path) -> tuple[np.ndarray | UserError, Verdict | None]:
            image = _image(file)
            return image, None if at_once == 1 or isinstance(image, UserError) else judge(image)

        images = stack.enter_context(closing(prefetched(begun, files, max(2, at_once))))
        for file, name, (image, verdict) in zip(files, _unique_names(files), images, strict=True):
            if isinstance(image, UserError):
                unreadable.append(str(image))
                continue
            verdict = verdict or judge(image)
            if out:
                writer.writerow([file, *verdict.row])
                stream.flush()  # what is done stays done, whatever comes
                if verdict.context:
                    background(write_overlay_and_mask, out, name, image, verdict.prediction, verdict.context)
            print(f"{verdict.line}  {file}", flush=True)
    judged = len(files) - len(unreadable)
    print(f"{judged} image{'s' * (judged != 1)} judged {manner}" + (f"; results in {out}" if out else ""))
    if unreadable:
        raise UserError(f"{len(unreadable)} of {len(files)} images left out: " + " | ".join(unreadable))


def _image(file: Path) -> np.ndarray | UserError:
    """An image, or why it cannot be read."""
    from adcore.data.decoding import read_image

    try:
        return read_image(file)
    except UserError as error:
        return error


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        elif path.exists():
            yield path
        else:
            raise UserError(f"{path}: no such file or folder; name images that exist")


def _unique_names(files: Sequence[Path]) -> list[str]:
    """A short name for each file's pictures: its stem, with as many parent folders as tell it from the others."""
    whole = [file.absolute().with_suffix("").parts for file in files]
    for depth in range(1, max(map(len, whole))):
        names = ["_".join(parts[-depth:]) for parts in whole]
        if len(set(names)) == len(names):
            return names
    return [f"{index:05d}_{file.stem}" for index, file in enumerate(files)]  # the same file twice, or a.png and a.jpg
