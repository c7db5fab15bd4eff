"""How long `adcore plugins` takes as a whole process beside 300 other distributions and 30 components of strangers.

Run it with: python benchmarks/plugins_listing.py [--distributions 300] [--components 30] [--times 15] [ARGUMENT ...]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCE = '''"""A clusterer."""

import numpy as np

from adcore import Clusterer


class Single(Clusterer):
    """Puts every point into one cluster."""

    def __init__(self, offset: int = 0):
        """Configure the clusterer.

        Args:
            offset: label of the cluster.
        """
        self.offset = offset

    def fit_predict(self, x):
        """Cluster float32 [N, D], int [N]."""
        return np.full(len(x), self.offset)
'''
REQUIREMENTS = "".join(f"Requires-Dist: library-{index} (>=1.{index})\n" for index in range(20))


def install(site: Path, distributions: int, components: int) -> None:
    """Write metadata as an installer would: most distributions bring commands, some bring components."""
    for index in range(distributions):
        name = f"dist-{index}"
        info = site / f"dist_{index}-1.0.dist-info"
        info.mkdir()
        needs, points = REQUIREMENTS, f"[console_scripts]\n{name} = dist_{index}:main\n"
        if index < components:
            needs += "Requires-Dist: adcore<1,>=0.1\n"
            points += f"\n[adcore.clusterer]\nsingle{index} = dist_{index}:Single\n"
            (site / f"dist_{index}.py").write_text(SOURCE)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}\n{'Long. ' * 2000}")
        (info / "entry_points.txt").write_text(points)


def measure(command: list[str], times: int) -> tuple[list[float], list[float]]:
    """Wall and processor seconds of whole processes; a first one, which warms the disk, does not count."""
    walls, works = [], []
    for _ in range(times + 1):
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(time.perf_counter() - started)
        works.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return walls[1:], works[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--distributions", type=int, default=300, help="installed beside adcore")
    parser.add_argument("--components", type=int, default=30, help="of them, those that bring a component")
    parser.add_argument("--times", type=int, default=15, help="measurements of each command")
    parser.add_argument("arguments", nargs="*", default=["plugins"], help="of adcore")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        install(Path(folder), options.distributions, options.components)
        os.environ["PYTHONPATH"] = folder
        adcore = str(Path(sys.executable).with_name("adcore"))
        for command in ([sys.executable, "-c", "pass"], [adcore, *options.arguments]):
            walls, works = measure(command, options.times)
            print(
                f"{' '.join([Path(command[0]).name, *command[1:]]):<24} wall: median {statistics.median(walls):.3f} s, "
                f"least {min(walls):.3f} s; processor: median {statistics.median(works):.3f} s"
            )


if __name__ == "__main__":
    main()
