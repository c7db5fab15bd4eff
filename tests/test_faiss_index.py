import builtins

import pytest
import torch
from adcore_plugins.patchcore import PatchCore

from adcore.errors import UserError

PLAIN = {"grid": 8, "neighbourhood": 1, "unit": False, "index": "faiss"}


@pytest.fixture
def features(generator):
    return (torch.randn(8, 12, 8, 8, generator=generator),)


def test_a_small_bank_gives_the_exact_distances(features):
    pytest.importorskip("faiss")
    exact, approximate = PatchCore(**PLAIN | {"index": "exact"}), PatchCore(**PLAIN)
    queries = (features[0][4:] + 0.1,)
    one, two = (matcher.fit((features[0][:4],)) for matcher in (exact, approximate))
    assert set(two.state) == {"index", "mean", "std"} and two.state["index"].dtype == torch.uint8
    assert torch.allclose(one.among, two.among, atol=1e-3)
    assert torch.allclose(exact.match(queries, one.state), approximate.match(queries, two.state), atol=1e-3)


def test_contexts_do_not_mix(features):
    pytest.importorskip("faiss")
    matcher = PatchCore(**PLAIN)
    states = [matcher.fit((features[0][part],)).state for part in (slice(0, 4), slice(4, 8))]
    own = [matcher.match((features[0][:4],), state).max() for state in (*states, states[0])]
    assert own[0] == own[2] < 1e-2 < own[1]


def test_without_faiss_the_error_says_how_to_install_it(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name == "faiss":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UserError, match=r"index: faiss needs FAISS: pip install 'adcore\[faiss\]'"):
        PatchCore(index="faiss")


def test_weights_by_density_are_not_offered():
    pytest.importorskip("faiss")
    with pytest.raises(UserError, match=r"matcher\.neighbours"):
        PatchCore(index="faiss", neighbours=4)
