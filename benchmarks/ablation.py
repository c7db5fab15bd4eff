"""What each part of recipe `relative` contributes: the same references, images and maps for all rows.

Run it with:
    python benchmarks/ablation.py --data ROOT [ROOT ...] --backbone.weights FILE [--backbone YAML] [--seeds 5]
        [--shots 4] [--every 1] [--head LABEL=FILE ...] [--raw RUN] [--title TEXT] [--out FILE]

Each ROOT is in MVTec layout. References are drawn as `adcore run --context.shots K --context.seed S` draws them, and
nothing else of the set is looked at but the test images. `--head` adds further weights of head `relative`, such as of
fewer products; `--raw` names a finished run, with the same backbone, of a head that reads features and embeds. Rows are
image AUROC, pixel AUROC and pixel AP, mean and standard deviation over the draws.
Normals that fusers take their scale from are the references, judged by each other.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from adcore_plugins.hdbscan import HDBSCAN
from adcore_plugins.kmeans import KMeans
from adcore_plugins.logodds import LogOdds
from adcore_plugins.max import Max
from adcore_plugins.mean import Mean
from adcore_plugins.rank import Rank
from adcore_plugins.relation import CHANNELS
from adcore_plugins.relative import Relative
from torch import Tensor

import adcore
from adcore.choosing import as_chosen
from adcore.contrastive import contrastive_map, distance, prototypes, prototypes_of_others
from adcore.data.split import split_normals
from adcore.images import Images
from adcore.interfaces import Clusterer, Features, Fuser, Head, HeadOutput
from adcore.metrics.image import rank
from adcore.metrics.pixel import PixelMetrics
from adcore.recipe import parse
from adcore.scoring import enlarge, on_finest_grid
from adcore.settings import ContextSettings
from adcore.studying import study

KEYS = ("image.auroc", "pixel.auroc", "pixel.ap")


@dataclass
class Draw:
    """What one draw of references makes of a set.

    Attributes:
        reference: maps of the matchers, [n, h, w] of the test images and [k, h, w] of the references among themselves.
        relation: the same for the relation, [n, R, h, w] and [k, R, h, w].
        raw: what a head that reads features embeds, [n, D, h, w] and [k, D, h, w].
    """

    reference: tuple[Tensor, Tensor]
    relation: tuple[Tensor, Tensor]
    raw: tuple[Tensor, Tensor] | None = None


@dataclass
class Row:
    """Maps and scores of one way to judge.

    Attributes:
        maps: [n, h, w].
        telling: [n, h, w], what scores are taken from; by default the maps.
        scores: [n]; by default what the recipe's `score` makes of that.
        told: [n], what is added to that: what the head says of images as a whole, as far as the fuser trusts it.
    """

    maps: Tensor
    telling: Tensor | None = None
    scores: Tensor | None = None
    told: Tensor | float = 0.0


class Data:
    """A set, its test images' features held in memory."""

    def __init__(self, root: Path, changes: list[str], every: int, raw: Head | None = None):
        self.root = root
        runner = parse("relative", ["--data", str(root), *changes]).build()
        self.detector = runner.detector().eval()
        images = Images(runner.data, self.detector.image_size)
        samples = runner.data.samples()
        self.normals = [sample for sample in samples if sample.split == "train" and not sample.label]
        self.tests = [sample for sample in samples if sample.split == "test"][::every]
        with torch.inference_mode():
            self.features = [self.detector.features(images.image(sample)[None]) for sample in self.tests]
        self.raw = raw
        self.embedded = None if raw is None else _embedded(raw, self.features)
        self.masks = [images.mask(sample) for sample in self.tests]
        self.labels = np.asarray([bool(sample.label) for sample in self.tests])
        self.images = images

    @torch.inference_mode()
    def draw(self, shots: int, seed: int) -> Draw:
        chosen = split_normals(self.normals, ContextSettings(shots=shots, seed=seed), trained=False).references
        studied = study(self.detector, self.images.stack(chosen))
        fit = studied.fit
        assert fit is not None and fit.relation is not None and self.detector.matcher is not None
        matcher = as_chosen(self.detector.matcher, fit.state)
        reference = torch.cat([matcher.match(features, fit.state) for features in self.features])
        relation = torch.cat([matcher.relate(features, fit.state) for features in self.features])
        draw = Draw((reference, fit.among), (relation, fit.relation))
        if self.raw is None or self.embedded is None:
            return draw
        upright = [tuple(level[:1] for level in views) for views in studied.features]
        return replace(draw, raw=(self.embedded, _embedded(self.raw, upright)))

    def measure(self, row: Row) -> dict[str, float]:
        full = self.enlarged(row.maps, self.detector.smoothing)
        telling = self.enlarged(row.maps if row.telling is None else row.telling, self.detector.score_smoothing)
        scores = (self.detector.score(telling) if row.scores is None else row.scores) + row.told
        pixels = PixelMetrics()
        for heat, mask in zip(full.numpy(), self.masks, strict=True):
            if mask is not None:
                pixels.add(heat, mask)
        return {"image.auroc": rank(scores.numpy(), self.labels).auroc(), **pixels.compute()}

    def enlarged(self, maps: Tensor, smoothing: float) -> Tensor:
        return enlarge(maps, self.detector.image_size, smoothing)


def rows(draw: Draw, heads: dict[str, Relative]) -> Iterator[tuple[str, Row]]:
    """All ways to judge, by what they are called."""
    (reference, among), (relation, relation_among) = draw.reference, draw.relation
    for channel in ("nearest", "whitened", "itself"):
        yield f"distance `{channel}` alone", Row(relation[:, CHANNELS.index(channel)])
    yield "matchers, as in recipe `fewshot`", Row(reference)
    if draw.raw is not None:
        yield from _raw_rows(draw.reference, draw.raw)
    for label, head in heads.items():
        output, known = _read(head, relation), _read(head, relation_among)
        assert output.logits is not None
        yield f"head {label}: decoder", Row(output.logits)
        yield f"head {label}: image output", Row(output.logits, scores=output.image)
        clusterers: dict[str, Clusterer] = {"k-means": KMeans(), "hdbscan": HDBSCAN()}
        if label == "bundled":
            for name, clusterer in clusterers.items():
                yield f"head {label}: embedding, {name}", Row(_contrastive(output, known, clusterer, logits=False))
        maps = {"reference": reference, "contrastive": _contrastive(output, known, None)}
        normals = {"reference": among, "contrastive": _contrastive(known, known, None)}
        fusers: dict[str, Fuser] = {"mean": Mean(), "max": Max(), "logodds": LogOdds(), "rank": Rank()}
        for name, fuser in fusers.items():
            if label == "bundled" or name == "rank":
                row, what = _fused(fuser, maps, normals, output), f"matchers + head {label}, {name}"
                yield what, replace(row, told=0.0)
                if fuser.trust({}):
                    yield f"{what}, image output", row
        told = _fused(Rank(telling="reference"), maps, normals, output)
        recipe = " (**recipe relative**)" if label == "bundled" else ""
        yield f"matchers + head {label}, rank, images by matchers and image output{recipe}", told
        if label == "bundled":
            for name, clusterer in clusterers.items():
                maps["contrastive"] = _contrastive(output, known, clusterer)
                normals["contrastive"] = _contrastive(known, known, clusterer)
                row = _fused(Rank(telling="reference"), maps, normals, output)
                yield f"the same, with the embedding, {name}", row


def _raw_rows(reference: tuple[Tensor, Tensor], raw: tuple[Tensor, Tensor]) -> Iterator[tuple[str, Row]]:
    """A head that reads features: distance to the references' embeddings, clustered, and beside the matchers."""
    (tests, among), known = raw, prototypes(raw[1])
    others = prototypes_of_others(among)
    yield "raw contrastive: distance to the references", Row(torch.stack([distance(one, known) for one in tests]))
    for name, clusterer in (("k-means", KMeans()), ("hdbscan", HDBSCAN())):
        told = contrastive_map(HeadOutput(embedding=tests), clusterer, known)
        yield f"raw contrastive: {name}", Row(told)
        usual = [contrastive_map(HeadOutput(embedding=among[[j]]), clusterer, others[j]) for j in range(len(among))]
        maps = {"reference": reference[0], "contrastive": told}
        normals = {"reference": reference[1], "contrastive": torch.cat(usual)}
        yield f"matchers + raw contrastive, {name}, rank", _fused(Rank(), maps, normals)


@torch.inference_mode()
def _embedded(head: Head, pyramids: Iterable[Features]) -> Tensor:
    return torch.cat([head(features).embedding for features in pyramids])


@torch.inference_mode()
def _read(head: Relative, relation: Tensor) -> HeadOutput:
    columns = zip(*(head((part,)) for part in torch.split(relation, 64)), strict=True)
    return HeadOutput(*(torch.cat(column) for column in columns))


def _contrastive(output: HeadOutput, known: HeadOutput, clusterer: Clusterer | None, logits: bool = True) -> Tensor:
    assert known.embedding is not None
    shown = output if logits else HeadOutput(embedding=output.embedding)
    return contrastive_map(shown, clusterer, prototypes(known.embedding))


def _fused(fuser: Fuser, maps: dict[str, Tensor], normals: dict[str, Tensor], output: HeadOutput | None = None) -> Row:
    def one_grid(branches: dict[str, Tensor]) -> dict[str, Tensor]:
        grids = on_finest_grid([grid[:, None] for grid in branches.values()])
        return {branch: grid[:, 0] for branch, grid in zip(branches, grids, strict=True)}

    state, branches = fuser.fit(one_grid(normals)), one_grid(maps)
    image = None if output is None else output.image
    told = 0.0 if image is None else fuser.trust(state) * image
    return Row(fuser.fuse(branches, state), telling=fuser.telling(branches, state), told=told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--shots", type=int, default=4)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--head", action="append", default=[], metavar="LABEL=FILE")
    parser.add_argument("--raw", type=Path, metavar="RUN", help="finished run of a head that reads features and embeds")
    parser.add_argument("--title", default="relative", help="what heads the table, such as the backbone")
    parser.add_argument("--out", type=Path)
    given, changes = parser.parse_known_args()
    raw = None if given.raw is None else adcore.load(given.raw).detector.head
    heads = {"bundled": Relative(relations=len(CHANNELS), weights="bundled").eval()}
    for named in given.head:
        label, _, file = named.partition("=")
        heads[label] = Relative(relations=len(CHANNELS), weights=file).eval()

    table: dict[str, dict[str, list[dict[str, float]]]] = {}
    for root in given.data:
        started, data = time.monotonic(), Data(root, changes, given.every, raw)
        for seed in range(given.seeds):
            for name, row in rows(data.draw(given.shots, seed), heads):
                table.setdefault(name, {}).setdefault(root.name, []).append(data.measure(row))
        print(json.dumps({"data": root.name, "seconds": round(time.monotonic() - started)}), flush=True)
    which = "all test images" if given.every == 1 else f"one test image in {given.every}"
    told = (
        f"{given.title}: {given.shots} references, {given.seeds} draws of them, mean ± standard deviation; {which}.\n\n"
    )
    text = told + _markdown(table, [root.name for root in given.data])
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")


def _markdown(table: dict[str, dict[str, list[dict[str, float]]]], sets: list[str]) -> str:
    def cell(measured: list[dict[str, float]], key: str) -> str:
        values = [one[key] for one in measured]
        return f"{np.mean(values):.3f} ± {np.std(values):.3f}".replace("0.", ".")

    columns: list[Any] = [f"{name}: image AUROC | pixel AUROC | pixel AP" for name in sets]
    lines = [f"| | {' | '.join(columns)} |", "|---|" + "---|" * (3 * len(sets))]
    for name, found in table.items():
        cells = [cell(found[one], key) for one in sets for key in KEYS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
