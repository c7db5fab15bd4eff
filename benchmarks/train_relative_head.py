"""Make the bundled weights of head `relative`: it learns to compare on generated products alone, no real image.

Run it with:
    python benchmarks/train_relative_head.py --cache DIR --out plugins/relative.safetensors --resnet18 FILE
        --mobilenetv2 FILE [--products 1575] [--steps 1200] [--workers 2] [--curriculum SHARE] [--simulated]
        [--clean SHARE] [--covered SHARE]

How queries differ from the references (`matcher: relation`) is computed once and kept in the cache
(`relation_cache.py`); an interrupted run goes on. Every twelfth product is kept back: the figures printed, image AUROC
and pixel AP of products never trained on, are theirs, beside those of the sum of nearest neighbour and Mahalanobis
distance. The file says what it was made from.

With `--curriculum` that share of the steps begins with the defects that this sum shows best and lets in the others by
and by. With `--simulated` three more queries have anomalies by nsa, cutpaste and perlin. Cells covered by a defect by
more than `--clean` and no more than `--covered` teach nothing, and count as normal in what is printed; by default there
are none.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from relation_cache import COVERED, NETWORK_SHARES, NETWORKS, SHARD, Episodes, collect, join, read, reduced
from safetensors.torch import save_file
from torch import Tensor

from adcore import __version__
from adcore.interfaces import Head, HeadOutput
from adcore.metrics.image import rank
from adcore.scoring import Reduction

SURE = 30.0
"""Logit at which nothing is left to learn."""
EASIEST = 0.3
"""Share of the defects that a curriculum begins with."""


def difficulty(part: Episodes) -> Tensor:
    """What share of the defects is shown better by plain distances, in [0, 1), of each query; 0 of normal ones, [n]."""
    from adcore_plugins.relation import NEAREST, WHITENED

    shown = []
    for relation, anomalous in zip(part.relation, part.anomalous, strict=True):
        heat = relation[[NEAREST, WHITENED]].float().mean(0)
        shown.append(float(heat[anomalous].mean() - heat.median()) if anomalous.any() else math.inf)
    below = torch.tensor(shown)
    defects = below.isfinite()
    place = torch.zeros(len(shown))
    place[defects] = below[defects].argsort(descending=True).argsort() / max(1, int(defects.sum()))
    return place


def batches(
    sizes: dict[int, Episodes], count: int, batch: int, seed: int, curriculum: float = 0.0
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Random queries, mirrored and turned at random: relation [B, R, h, w], where anomalous and unsure [B, h, w]."""
    draws = torch.Generator().manual_seed(seed)
    names = sorted(sizes)
    shares = torch.tensor([float(len(sizes[name].relation)) for name in names])
    hard = {name: difficulty(sizes[name]) for name in names} if curriculum else {}
    for step in range(count):
        name = names[int(torch.multinomial(shares, 1, generator=draws))]
        part = sizes[name]
        rows = torch.randint(len(part.relation), (batch,), generator=draws)
        if step < curriculum * count:
            most = EASIEST + (1 - EASIEST) * step / (curriculum * count)
            rows = (hard[name] <= most).nonzero()[:, 0]
            rows = rows[torch.randint(len(rows), (batch,), generator=draws)]
        given = [part.relation[rows].float(), part.anomalous[rows], part.unsure[rows]]
        for axis, flip in zip((-1, -2), torch.rand(2, generator=draws) < 0.5, strict=True):
            if flip:
                given = [one.flip(axis) for one in given]
        if float(torch.rand((), generator=draws)) < 0.5:
            given = [one.transpose(-1, -2) for one in given]
        relation, anomalous, unsure = given
        yield relation.contiguous(), anomalous, unsure


def train(
    head: Head,
    sizes: dict[int, Episodes],
    steps: int,
    batch: int,
    rate: float,
    seed: int,
    curriculum: float = 0.0,
) -> None:
    """Adam with a cosine schedule, in bfloat16 where that is fast."""
    optimizer = torch.optim.AdamW(head.parameters(), lr=rate, weight_decay=1e-2)
    generator, started, mean = torch.Generator().manual_seed(seed), time.monotonic(), 0.0
    head.train()
    for step, (relation, anomalous, unsure) in enumerate(batches(sizes, steps, batch, seed, curriculum)):
        share = min(1.0, (step + 1) / 100) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate * share
        with reduced():
            output = head((relation,))
        output = HeadOutput(*(None if part is None else part.float() for part in output))
        assert output.logits is not None
        output = output._replace(logits=output.logits.masked_fill(unsure, -SURE))
        loss = head.loss(output, anomalous, generator)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        mean += (float(loss.detach()) - mean) / min(step + 1, 200)
        if step % 500 == 499:
            print(f"step {step + 1}: loss {mean:.4f}, {time.monotonic() - started:.0f} s", flush=True)
    head.eval()


@torch.inference_mode()
def judge(head: Head, products: Sequence[Episodes]) -> dict[str, float]:
    """Mean over products of image AUROC and pixel AP, of the head and of the sum of two distances."""
    from adcore_plugins.relation import NEAREST, WHITENED

    from adcore.contrastive import contrastive_map

    top, rows = Reduction.parse("top1%"), []
    for product in products:
        labels, relation = product.anomalous.flatten(1).any(1), product.relation.float()
        if bool(labels.all()) or not bool(labels.any()):
            continue
        output = head((relation,))
        row = {}
        maps = {"sum": relation[:, [NEAREST, WHITENED]].mean(1), "head": contrastive_map(output, None, None)}
        for name, heat in maps.items():
            row[f"{name}.image.auroc"] = rank(top(heat).numpy(), labels.numpy()).auroc()
            pixels = rank(heat.flatten().numpy(), product.anomalous.flatten().numpy())
            row[f"{name}.pixel.ap"] = pixels.average_precision()
        row["image_output.auroc"] = rank(output.image.numpy(), labels.numpy()).auroc()
        rows.append(row)
    return {"products": len(rows), **{key: float(np.mean([row[key] for row in rows])) for key in rows[0]}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--resnet18", metavar="FILE", required=True)
    parser.add_argument("--mobilenetv2", metavar="FILE", required=True)
    parser.add_argument("--products", type=int, default=1575)
    parser.add_argument("--steps", type=int, default=1200, help="0 only fills the cache")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--curriculum", type=float, default=0.0, metavar="SHARE", help="of the steps; 0 for none")
    parser.add_argument("--simulated", action="store_true", help="with a cache of its own")
    parser.add_argument("--clean", type=float, default=COVERED, metavar="SHARE")
    parser.add_argument("--covered", type=float, default=COVERED, metavar="SHARE")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()

    cache: Path = asked.cache / "simulated" if asked.simulated else asked.cache
    cache.mkdir(parents=True, exist_ok=True)
    files = {"resnet18": asked.resnet18, "mobilenetv2": asked.mobilenetv2}
    with ProcessPoolExecutor(asked.workers, get_context("spawn")) as pool:
        firsts = range(0, asked.products, SHARD)
        jobs = [pool.submit(collect, first, cache, files, asked.simulated) for first in firsts]
        for done, job in enumerate(jobs):
            job.result()
            if done % 8 == 7:
                print(f"{(done + 1) * SHARD} products", flush=True)
    if not asked.steps:
        return

    from adcore_plugins.relation import CHANNELS
    from adcore_plugins.relative import Relative

    torch.manual_seed(asked.seed)
    head = Relative(relations=len(CHANNELS))
    taught = read(cache, asked.products, asked.clean, asked.covered, kept_back=False)
    sizes = {size: join(products) for size, products in taught.items()}
    train(head, sizes, asked.steps, asked.batch, asked.rate, asked.seed, asked.curriculum)
    kept_back = read(cache, asked.products, asked.clean, asked.covered, kept_back=True)
    figures = judge(head, [product for size in sorted(kept_back) for product in kept_back[size]])
    print(json.dumps(figures))
    if asked.out:
        about = {
            "made_by": "benchmarks/train_relative_head.py",
            "adcore": __version__,
            "channels": list(CHANNELS),
            "products": asked.products,
            "steps": asked.steps,
            "batch": asked.batch,
            "rate": asked.rate,
            "seed": asked.seed,
            "curriculum": asked.curriculum,
            "simulated": asked.simulated,
            "clean": asked.clean,
            "covered": asked.covered,
            "networks": dict(zip(NETWORKS, NETWORK_SHARES, strict=True)),
            "kept_back": figures,
        }
        tensors = {name: tensor.detach().contiguous() for name, tensor in head.state_dict().items()}
        save_file(tensors, asked.out, {"about": json.dumps(about)})


if __name__ == "__main__":
    main()
