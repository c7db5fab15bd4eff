"""Grouping defects by kind: agreement with the folders of MVTec sets, by one setting for all.

Run it with: python benchmarks/grouping.py RUN TEST [RUN TEST ...] [--per image region] [--clusterer consensus]
Each RUN is a finished run and TEST the ``test`` folder of its images; normal ones (``good``) are left out. Prints a
line of JSON for each and each way: NMI, ARI, Hungarian F1 and the share of noise, with as many kinds as are known (the
published protocol, Sohn et al. 2023) and with as many as are found. With ``region`` images in which nothing is marked
are left out, and each region counts with the kind of its image.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import cast

import adcore
from adcore.cli.judging import image_files
from adcore.group_images import Member, group_images
from adcore.interfaces import Clusterer
from adcore.metrics.grouping import grouping_metrics
from adcore.number_of_clusters import takes_number
from adcore.registry import find, load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="+", metavar="RUN TEST")
    parser.add_argument("--per", nargs="+", choices=["image", "region"], default=["image", "region"])
    parser.add_argument("--clusterer", nargs="+", default=["consensus"])
    given = parser.parse_args()
    for run, tests in zip(given.run[::2], given.run[1::2], strict=True):
        folders = sorted(folder for folder in tests.iterdir() if folder.is_dir() and folder.name != "good")
        files = image_files(folders)
        model, known = adcore.load(run), [file.parent.name for file in files]
        for per in given.per:
            for name in given.clusterer:
                clusterer = cast(Clusterer, load(find("clusterer", name))())
                numbers = [len(folders), None] if takes_number(clusterer) else [None]
                for number in numbers:
                    members: list[Member] = group_images(model, files, clusterer, number, per)
                    kinds = [member.kind for member in members]
                    metrics = grouping_metrics(kinds, [known[member.place] for member in members])
                    record = {"run": run.name, "per": per, "clusterer": name, "given": number, "known": len(folders)}
                    record |= {"found": len(set(kinds) - {-1}), "items": len(members)}
                    record["images"] = len({member.place for member in members})
                    print(json.dumps(record | {key: round(value, 3) for key, value in metrics.items()}), flush=True)


if __name__ == "__main__":
    main()
