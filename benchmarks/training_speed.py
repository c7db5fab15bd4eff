"""Training images per second, beside what the backbone alone makes of the same batches.

Run it with: python benchmarks/training_speed.py [--device cuda] [--backbone '{name: resnet, depth: 18, weights: none}']
Trains `--head` on the demo set and prints one line of JSON: images/s by the wall clock, processor milliseconds of each
image, the same for the backbone's forward (and backward, where it is trained) alone, and the share of it that training
reaches. For heads that read a relation, images are queries; references come on top and are told apart. Warmed up, and
without validation. Beside other work on the same cores processor time says more than seconds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
import yaml

from adcore.detector import Detector
from adcore.episodes import Episodes
from adcore.images import Images
from adcore.planning import plan
from adcore.recipe import parse
from adcore.trainable import Trainable, backbone_mode, one_device, reads_relation
from adcore.training import Trainer
from adcore.training_set import training_set

WARM = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--backbone", default="{name: resnet, depth: 18, levels: [1, 2, 3], weights: none}")
    parser.add_argument("--head", default="{name: focal, input: relation}")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--shots", type=int, nargs="+", default=[4])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--precision", default="32-true")
    given = parser.parse_args()
    training = {"batch_size": given.batch, "steps": given.steps + WARM, "epochs": 1, "precision": given.precision}
    training |= {"shots": given.shots, "workers": given.workers}
    recipe = {
        "data": {"name": "demo", "size": given.size},
        "backbone": yaml.safe_load(given.backbone),
        "matcher": "anomalygpt",
        "head": yaml.safe_load(given.head),
        "clusterer": "kmeans",
        "synthesizers": ["nsa", "cutpaste", "perlin"],
        "fuser": "mean",
        "device": given.device,
        "training": training,
    }
    runner = parse(recipe).build()
    device = runner.torch_device()
    detector, settings = runner.detector().to(device), runner.training
    plans = plan(runner.data, runner.context, trained=True)
    sets = {name: training_set(part, 0) for name, part in plans.items()}
    images = Images(runner.data, detector.image_size)
    for sample in runner.data.samples():  # rendering the demo is no part of training
        images.training_image(sample)

    clock = _Clock(device, given.steps)
    with tempfile.TemporaryDirectory() as folder, suppress(_Done):
        trainer = Trainer(
            detector, images, runner.synthesizers, settings, 0, Path(folder), one_device(device, settings.precision)
        )
        trainer.fit(sets, clock, lambda *_: None)
    alone = _backbone(detector, backbone_mode(detector, settings) == "trained", given, device)
    drawn = Episodes(sets, images, runner.synthesizers, settings, 0, reads_relation(detector))
    shown = sum(len(drawn.episode(turn)[0]) for turn in range(WARM, WARM + given.steps)) if drawn.relational else 0
    count = given.batch * given.steps
    print(
        json.dumps(
            {
                "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
                "threads": torch.get_num_threads(),
                "images_per_second": round(count / clock.seconds, 1),
                "references_per_second": round(shown / clock.seconds, 1),
                "cpu_ms_per_image": round(1000 * clock.cpu / count, 1),
                "backbone_images_per_second": round(count / alone.seconds, 1),
                "backbone_cpu_ms_per_image": round(1000 * alone.cpu / count, 1),
                "share_of_backbone_rate": round((count + shown) / count * alone.seconds / clock.seconds, 3),
                "share_by_cpu_time": round((count + shown) / count * alone.cpu / clock.cpu, 3),
            }
        )
    )


class _Clock:
    """Times the steps after the warm-up."""

    def __init__(self, device: torch.device, steps: int):
        self.device, self.steps = device, steps
        self.seconds = self.cpu = 0.0

    def __call__(self, done: int, total: int = 0) -> None:
        if done in (WARM, WARM + self.steps):
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            seconds, cpu = time.perf_counter(), time.process_time()
            self.seconds, self.cpu = seconds - self.seconds, cpu - self.cpu
        if done == WARM + self.steps:
            raise _Done


class _Done(Exception):
    """Enough was timed."""


def _backbone(detector: Detector, trained: bool, given: argparse.Namespace, device: torch.device) -> _Clock:
    """The backbone's forward (and backward) on batches that are there already, in the training's precision."""
    batch = torch.rand(given.batch, 3, *detector.image_size, device=device)
    clock = _Clock(device, given.steps)
    network = Trainable(detector, trained).train()

    def forward_and_backward() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=given.precision != "32-true"):
            levels = network.backbone(batch)
        sum(level.float().mean() for level in levels).backward()

    def forward() -> None:
        detector.features(batch)

    run: Callable[[], None] = forward_and_backward if trained else forward

    with torch.set_grad_enabled(trained), suppress(_Done):
        for done in range(1, WARM + given.steps + 1):
            run()
            clock(done)
    return clock


if __name__ == "__main__":
    main()
