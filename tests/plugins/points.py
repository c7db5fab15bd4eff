"""Points for clusterers: groups to find again, and inputs that trip methods up."""

import numpy as np


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def blobs(sizes, seed=0, dimension=16, spread=0.05):
    """Unit-norm groups of the given sizes, and which point is of which."""
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(dimension, dimension)))[0][: len(sizes)]
    x = np.concatenate([c + spread * rng.normal(size=(n, dimension)) for c, n in zip(centres, sizes, strict=True)])
    return unit(x), np.repeat(np.arange(len(sizes)), sizes)


def _draw(count):
    return unit(np.random.default_rng(count).normal(size=(count, 8)))


HARD = {
    "one": _draw(1),
    "two": _draw(2),
    "three": _draw(3),
    "equal": np.repeat(_draw(1), 40, axis=0),
    "zero": np.zeros((9, 4), dtype=np.float32),
    "duplicates": np.repeat(_draw(2), [30, 3], axis=0),
    "mostly duplicates": np.concatenate([np.repeat(_draw(2), [30, 3], axis=0), _draw(5)]),
    "no groups": _draw(60),
}


def check_labels(clusterer, x, again=True):
    """The clusterer's labels of read-only points: integers, one a point, the same `again` where the method can."""
    x = x.copy()
    x.setflags(write=False)
    labels = clusterer.fit_predict(x)
    assert labels.shape == (len(x),)
    assert labels.dtype.kind == "i"
    assert labels.min() >= -1
    assert not again or np.array_equal(labels, clusterer.fit_predict(x))
    return labels
