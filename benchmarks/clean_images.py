"""Does a clean image stay clean? Clusterers with and without the gate, on the test images of finished runs.

Run it with: python benchmarks/clean_images.py [RUN ...] [--clusterer kmeans hdbscan] [--out FOLDER] [--limit 0]
Each RUN is the folder of a run of a recipe with a head that embeds. Without any, `unified_pretrained` with a head
`focal` is run on the demo data and, where they are present, on ../shared/data/bottle and mtd with the resnet18 of
../shared/weights, into FOLDER (minutes each). The head stays as it was trained; each context is made anew for every
clusterer, with the gate and without.

Prints a line of JSON each: the share of normal test images in which the clusterer calls any pixel anomalous
(`clean.clusters`), that in which the calibrated mask marks any (`clean.mask`), for how many images the gate opened, and
the image AUROC of the contrastive branch and of the fused map.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import cast

import numpy as np
import torch

import adcore
from adcore.contrastive import anomalous_pixels
from adcore.data.resizing import to_tensor
from adcore.fitting import ContextFitter
from adcore.interfaces import Clusterer, Dataset
from adcore.metrics.image import rank
from adcore.model import Model
from adcore.normal_images import NormalImages
from adcore.recipe import parse
from adcore.registry import find, load

FOCAL = [
    *("--head", "{name: focal, input: relation}", "--clusterer", "kmeans", "--fuser", "rank"),
    *(
        "--matcher",
        "{name: anomalygpt, whiten: 0.05, window: 0.06}",
        "--training.epochs",
        "4",
        "--training.steps",
        "30",
    ),
]
SHARED = Path(__file__).parents[1].parent / "shared"


def runs(out: Path) -> list[Path]:
    """Run the recipe where it was not run yet."""
    weights = SHARED / "weights" / "resnet18.tv_in1k_l123.safetensors"
    changes = {"demo": ["--backbone.levels", "[0,1,2,3]"]}
    for root in (SHARED / "data" / "bottle", SHARED / "data" / "mtd"):
        if root.exists() and weights.exists():
            pretrained = ["--backbone.weights", str(weights), "--backbone.levels", "[1,2,3]"]
            changes[root.name] = ["--data", str(root), *pretrained]
    for name, overrides in changes.items():
        if not (out / name / "metrics.json").exists():
            recipe = parse("unified_pretrained", [*FOCAL, *overrides, "--observers", "[]"])
            recipe.build().run(out / name, recipe.dump(), resume=True)
    return [out / name for name in changes]


def measure(model: Model, data: Dataset, limit: int) -> dict[str, float]:
    """Make the contexts anew, and judge the test images."""
    detector = model.detector
    read = NormalImages(data, detector.image_size).read
    marked, masked, opened, labels = [], [], [], []
    scores: dict[str, list[float]] = {"contrastive": [], "fused": []}
    separable = []
    for name, old in model.contexts.items():
        assert old.calibration is not None
        fitter = ContextFitter(detector, read, old.calibration.rate)
        context = fitter.fit(name, old.references, old.calibration_images, old.scale_images).to(detector.device)
        tests = [sample for sample in data.samples() if sample.split == "test" and sample.category == name]
        tests = tests[:: -(-len(tests) // limit)] if limit else tests  # of all kinds, which come one after another
        for sample in tests:
            image = to_tensor(data.image(sample), detector.image_size)[None].to(detector.device)
            with torch.inference_mode():
                features = detector.features(image)
                embedding = detector.embed(features, context.matcher).embedding
                assert embedding is not None and detector.clusterer is not None
                gate = detector.gate(context)
                called = anomalous_pixels(embedding[0], detector.clusterer, context.prototypes, gate)
                found = detector.judge(features, context)
                before = detector.score_before_clustering(image, context)[0]
            marked.append(bool(called.any()))
            masked.append(bool(found.mask.any()))
            opened.append(gate is None or before >= gate.threshold)
            labels.append(bool(sample.label))
            scores["contrastive"].append(found.branch_scores["contrastive"])
            scores["fused"].append(found.score)
        here = slice(len(labels) - len(tests), None)
        if len(set(labels[here])) == 2:
            separable.append([rank(np.array(s[here]), np.array(labels[here])).auroc() for s in scores.values()])
    normal = ~np.array(labels)
    auroc = np.mean(separable, axis=0)
    return {
        "normals": int(normal.sum()),
        "clean.clusters": round(float(np.mean(np.array(marked)[normal])), 3),
        "clean.mask": round(float(np.mean(np.array(masked)[normal])), 3),
        "opened.normal": round(float(np.mean(np.array(opened)[normal])), 3),
        "opened.anomalous": round(float(np.mean(np.array(opened)[~normal])), 3),
        "found.clusters": round(float(np.mean(np.array(marked)[~normal])), 3),
        "auroc.contrastive": round(float(auroc[0]), 4),
        "auroc.fused": round(float(auroc[1]), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="*")
    parser.add_argument("--clusterer", nargs="+", default=["kmeans", "hdbscan"])
    parser.add_argument("--out", type=Path, default=Path("runs/clean_images"))
    parser.add_argument("--limit", type=int, default=0, help="test images of a category at most; 0 for all")
    given = parser.parse_args()
    for run in given.run or runs(given.out):
        model, data = adcore.load(run), parse(run / "recipe.yaml").build().data
        rate = model.detector.gate_rate
        for clusterer in given.clusterer:
            model.detector.clusterer = cast(Clusterer, load(find("clusterer", clusterer))())
            for gate in (1.0, rate):
                model.detector.gate_rate = gate
                record = {"run": run.name, "clusterer": clusterer, "gate": gate < 1}
                print(json.dumps(record | measure(model, data, given.limit)), flush=True)


if __name__ == "__main__":
    main()
