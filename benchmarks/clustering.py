"""Clusterers on the embeddings of one image: time, and how near k-means comes to scikit-learn's full answer.

Run it with: python benchmarks/clustering.py [--points 4096] [--dimension 128] [--repeats 5] [--clusterer NAME ...]
Prints one line of JSON for each clusterer and kind of points: ``clustered`` (a large group, and smaller ones), ``one``
(a single group) and ``uniform`` (no group at all), all of unit norm. Milliseconds are the best of the repeats; ``cpu``
counts those of all threads. Beside them: the number of clusters and the share of noise; for k-means its inertia over
that of scikit-learn with ten starts on all points, and the adjusted Rand index of both.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import cast

import numpy as np
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.metrics import adjusted_rand_score

from adcore.interfaces import Clusterer
from adcore.registry import find, load


def unit(x: np.ndarray) -> np.ndarray:
    rows: np.ndarray = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    return rows


def embeddings(kind: str, count: int, dimension: int) -> np.ndarray:
    draws = np.random.default_rng(0)
    noise = draws.normal(size=(count, dimension)) / np.sqrt(dimension)
    if kind == "uniform":
        return unit(noise)
    shares = [0.75, 0.15, 0.07, 0.03] if kind == "clustered" else [1.0]
    centres = unit(draws.normal(size=(len(shares), dimension)))
    return unit(centres[draws.choice(len(shares), count, p=shares)] + 0.4 * noise)


def inertia(x: np.ndarray, labels: np.ndarray) -> float:
    return float(sum(((x[labels == k] - x[labels == k].mean(0)) ** 2).sum() for k in np.unique(labels)))


def measure(clusterer: Clusterer, x: np.ndarray, repeats: int) -> tuple[np.ndarray, dict[str, float]]:
    """Labels, and the best wall and processor time."""
    labels, wall, cpu = clusterer.fit_predict(x), [], []
    for _ in range(repeats):
        started, used = time.perf_counter(), time.process_time()
        labels = clusterer.fit_predict(x)
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
    return labels, {"ms": round(1000 * min(wall), 1), "cpu_ms": round(1000 * min(cpu), 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=4096)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--clusterer", nargs="+", default=["hdbscan", "kmeans"])
    given = parser.parse_args()
    for name in given.clusterer:
        clusterer = cast(Clusterer, load(find("clusterer", name))())
        for kind in ("clustered", "one", "uniform"):
            x = embeddings(kind, given.points, given.dimension)
            labels, record = measure(clusterer, x, given.repeats)
            record |= {"clusters": len(set(labels) - {-1}), "noise": round(float((labels < 0).mean()), 3)}
            if name == "kmeans":
                full = SklearnKMeans(2, n_init=10, random_state=0).fit_predict(x)
                record["inertia_ratio"] = round(inertia(x, labels) / inertia(x, full), 5)
                record["agreement"] = round(adjusted_rand_score(full, labels), 3)
            print(json.dumps({"clusterer": name, "points": kind, **record}), flush=True)


if __name__ == "__main__":
    main()
