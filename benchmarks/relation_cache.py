"""What head `relative` is trained on: how queries of generated products differ from their references, in a cache.

Each product has 1, 2, 4 or 8 references, some of them turned, and nine queries, three of them normal, seen by one of
several networks, at one of several sizes; with simulated anomalies three queries more. A file holds `SHARD` products,
so an interrupted run goes on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from adcore.interfaces import Backbone, Features
from adcore.precision import resolved

NORMALS, DEFECTIVE = 3, 6
SHARD = 25
KEPT_BACK = 12
SHOTS, SHOT_SHARES = (1, 2, 4, 8), (0.25, 0.25, 0.4, 0.1)
SIZES, SIZE_SHARES = (256, 192, 320), (0.8, 0.1, 0.1)
TURNS, TURN_SHARES = (1, 4), (0.88, 0.12)
NETWORKS, NETWORK_SHARES = ("resnet18", "mobilenetv2", "random"), (0.55, 0.35, 0.1)
COVERED = 0.15
"""Share of a cell, weighed by how visible the defect is, from which it counts as anomalous, unless asked otherwise."""


def build(network: str, files: dict[str, str]) -> Backbone:
    """One of the networks, three levels of stride 4, 8 and 16."""
    from adcore_plugins.resnet import ResNet
    from adcore_plugins.timm import Timm

    from adcore.products import Product
    from adcore.statistics import adapt_statistics

    net: Backbone
    if network == "mobilenetv2":
        grey, options = [0.5, 0.5, 0.5], {"pad_type": "same"}
        net = Timm("mobilenetv2_100", [1, 2, 3], files[network], options=options, mean=grey, std=grey)
    elif network == "resnet18":
        net = ResNet(depth=18, levels=[1, 2, 3], weights=files[network])
    else:
        net = ResNet(depth=18, levels=[1, 2, 3], weights="none")
        seen = [torch.from_numpy(Product((9, number)).normal(0, 256)) for number in range(16)]
        adapt_statistics(net, [torch.stack(seen)])
    return net.eval()


def reduced() -> torch.autocast:
    """Computing in bfloat16 where the processor multiplies that in hardware."""
    fast = resolved("auto", torch.device("cpu")) == "bf16-mixed"
    return torch.autocast("cpu", torch.bfloat16, enabled=fast)


@torch.inference_mode()
def features(net: Backbone, images: Tensor) -> Features:
    """The pyramid, in bfloat16 where that is fast."""
    with reduced():
        pyramid = net(images.contiguous(memory_format=torch.channels_last))
    return tuple(level.float() for level in pyramid)


@torch.inference_mode()
def collect(first: int, cache: Path, files: dict[str, str], simulated: bool) -> None:
    """The relation of all queries of `SHARD` products, and where they are anomalous, in one file."""
    from adcore_plugins.cutpaste import CutPaste
    from adcore_plugins.nsa import NSA
    from adcore_plugins.perlin import Perlin
    from adcore_plugins.relation import Relation

    from adcore.products import Product

    file = cache / f"{first:07d}.safetensors"
    if file.exists():
        return
    synthesizers = (NSA(), CutPaste(), Perlin()) if simulated else ()
    torch.set_num_threads(1)
    nets = {name: build(name, files) for name in NETWORKS}
    tensors, notes = {}, {}
    for number in range(first, first + SHARD):
        draws, product = np.random.default_rng(number), Product(number)
        shots = int(draws.choice(SHOTS, p=SHOT_SHARES))
        size = int(draws.choice(SIZES, p=SIZE_SHARES))
        network = str(draws.choice(NETWORKS, p=NETWORK_SHARES))
        turns = int(draws.choice(TURNS, p=TURN_SHARES)) if shots < 4 else 1  # more would take long
        matcher = Relation(rotations=turns)
        count = shots + NORMALS + len(synthesizers)
        normals = [torch.from_numpy(product.normal(index, size)) for index in range(count)]
        references, clean, whole = normals[:shots], normals[shots : shots + NORMALS], normals[shots + NORMALS :]
        defective = [product.defective(index, size) for index in range(DEFECTIVE)]
        generator = torch.Generator().manual_seed(number)
        made = [
            synthesizer.synthesize(whole[index], whole[(index + 1) % len(whole)], generator)
            for index, synthesizer in enumerate(synthesizers)
        ]
        queries = [*clean, *(torch.from_numpy(one.image) for one in defective), *(image for image, _ in made)]
        masks = [torch.zeros(size, size)] * NORMALS
        masks += [*(torch.from_numpy(one.mask) for one in defective), *(mask for _, mask in made)]
        fit = matcher.fit(features(nets[network], matcher.augment(torch.stack(references))), turns)
        relation = matcher.relate(features(nets[network], torch.stack(queries)), fit.state)
        cells = F.adaptive_avg_pool2d(torch.stack(masks)[:, None], relation.shape[-2:])[:, 0]
        tensors[f"{number}.relation"] = relation.clamp(-6e4, 6e4).half()
        tensors[f"{number}.cells"] = (cells * 255).round().to(torch.uint8)
        kinds = [*(one.kind for one in defective), *(type(one).__name__.lower() for one in synthesizers)]
        notes[number] = {"shots": shots, "turns": turns, "size": size, "network": network, "kinds": kinds}
    partial = file.with_suffix(".part")
    save_file(tensors, partial, {"notes": json.dumps(notes)})
    partial.rename(file)


@dataclass
class Episodes:
    """Products of one size of image.

    Attributes:
        relation: half [n, R, h, w], the queries of all products after each other.
        anomalous: bool [n, h, w].
        unsure: bool [n, h, w], what is neither that nor clean.
    """

    relation: Tensor
    anomalous: Tensor
    unsure: Tensor


def read(cache: Path, products: int, clean: float, covered: float, kept_back: bool) -> dict[int, list[Episodes]]:
    """The products of the cache, those kept back or all others, by size of image; of queries those that are sure."""
    found: dict[int, list[Episodes]] = {}
    for file in sorted(cache.glob("*.safetensors")):
        with safe_open(file, "pt") as shard:
            for number, note in json.loads(shard.metadata()["notes"]).items():
                if int(number) >= products or (int(number) % KEPT_BACK == 0) != kept_back:
                    continue
                cells = shard.get_tensor(f"{number}.cells")
                anomalous, unsure = cells > covered * 255, (cells > clean * 255) & (cells <= covered * 255)
                sure = anomalous.flatten(1).any(1) | ~unsure.flatten(1).any(1)
                relation = shard.get_tensor(f"{number}.relation")
                found.setdefault(note["size"], []).append(Episodes(relation[sure], anomalous[sure], unsure[sure]))
    return found


def join(products: Sequence[Episodes]) -> Episodes:
    """All as one."""
    columns = zip(*((one.relation, one.anomalous, one.unsure) for one in products), strict=True)
    return Episodes(*(torch.cat(column) for column in columns))
