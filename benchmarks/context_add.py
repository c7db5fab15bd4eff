"""How long adding a context to a fitted model takes, and whether many contexts slow a prediction down.

Run it with: python benchmarks/context_add.py --data CATEGORY --weights FILE [--images 4] [--contexts 200] [--times 5]
    [--fixed]

CATEGORY is one category in MVTec layout. A model is fitted to it by the recipe `fewshot`; then a context of `--images`
images is added in the same process, and by the whole command; with `--fixed` nothing is left to `auto`. Last, images
are judged in one context of a model that has it alone, and of one that has `--contexts`.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import adcore
from adcore.recipe import parse


def seconds(act: Callable[[int], object], times: int) -> str:
    """Median and least; a first time, which warms up, does not count."""
    taken = []
    for index in range(times + 1):
        started = time.perf_counter()
        act(index)
        taken.append(time.perf_counter() - started)
    return f"median {statistics.median(taken[1:]):.3f} s, least {min(taken[1:]):.3f} s"


def command(*arguments: object) -> None:
    adcore_command = str(Path(sys.executable).with_name("adcore"))
    subprocess.run([adcore_command, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


FIXED = ["--matcher.rotations", "1"]
"""The recipe's settings that are open, at their plain values."""


def fitted(data: str, weights: str, out: Path, fixed: bool) -> Path:
    changes = ["--data", data, "--backbone.weights", weights, "--observers", "[]", "--context.calibration", "0.1"]
    if fixed:
        changes += FIXED
    recipe = parse("fewshot", changes)
    runner = recipe.build()
    tests = [sample for sample in runner.data.samples() if sample.split == "train"]
    runner.data.samples = lambda: tests  # type: ignore[method-assign]  # nothing is tested: only the model is wanted
    runner.run(out, recipe.dump())
    return out / "model"


def judge(model: adcore.Model, images: Sequence[Path], context: str, _: int) -> None:
    for image in images:
        model.predict(image, context)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--contexts", type=int, default=200)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--fixed", action="store_true", help="leave nothing to auto")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = fitted(options.data, options.weights, Path(folder) / "run", options.fixed)
        normals = sorted((Path(options.data) / "train" / "good").iterdir())
        images, tests, times = normals[: options.images], normals[-10:], options.times
        model = adcore.load(root)
        name = next(iter(model.contexts))
        started = time.process_time()
        print("add, in process:", seconds(lambda index: model.add_context(f"in process {index}", images), times))
        print(f"processor time of each: {(time.process_time() - started) / (times + 1):.2f} s")
        whole = seconds(lambda index: command("context", "add", root, f"command {index}", *images), times)
        print("add, whole command:", whole)
        print(
            "python -c 'import torch, timm':",
            seconds(lambda _: subprocess.run([sys.executable, "-c", "import torch, timm"], check=True), times),
        )
        alone = Path(shutil.copytree(root, Path(folder) / "alone"))
        for other in set(model.contexts) - {name}:
            shutil.rmtree(alone / "contexts" / other)
        context = model.contexts[name]
        for number in range(options.contexts - len(model.contexts)):
            model.contexts.store.save(replace(context, name=f"other {number}"))
        for place in (alone, root):
            started = time.perf_counter()
            loaded = adcore.load(place)
            taken = time.perf_counter() - started
            print(
                f"{len(loaded.contexts)} contexts: loaded in {taken:.3f} s;",
                f"{len(tests)} images in one of them:",
                seconds(partial(judge, loaded, tests, name), times),
            )
        print("context list, whole command:", seconds(lambda _: command("context", "list", root), times))


if __name__ == "__main__":
    main()
