"""How much longer `adcore spot` takes than `python -c 'import timm'`, as whole processes in turn.

Run it with: python benchmarks/spot.py --reference GOOD --test TEST --weights FILE [--times 7]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds(command: list[str]) -> float:
    """Wall time of a whole process."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("--reference", "--test", "--weights"):
        parser.add_argument(option, required=True)
    parser.add_argument("--times", type=int, default=7, help="measurements of each, after one that does not count")
    options = parser.parse_args()
    adcore = str(Path(sys.executable).with_name("adcore"))
    plain = [sys.executable, "-c", "import timm"]
    spot = [adcore, "spot", "--reference", options.reference, options.test, "--weights", options.weights]
    alone, whole = [], []
    for _ in range(options.times + 1):
        with tempfile.TemporaryDirectory() as folder:
            alone.append(seconds(plain))
            whole.append(seconds([*spot, "--out", str(Path(folder) / "out")]))
    more = [longer - shorter for longer, shorter in zip(whole[1:], alone[1:], strict=True)]
    print(
        f"import timm: median {statistics.median(alone[1:]):.2f} s; adcore spot: {statistics.median(whole[1:]):.2f} s"
    )
    print(f"difference: median {statistics.median(more):.2f} s, {min(more):.2f} to {max(more):.2f} s; asked for: 1.5 s")


if __name__ == "__main__":
    main()
