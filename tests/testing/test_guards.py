"""What the guards refuse while a component is built and used, and what they let pass."""

import pytest
import torch

from adcore.testing import guards
from adcore.testing.guards import Forbidden, no_gpu, no_pickle, refused


def test_weights_may_be_loaded_without_unpickling(tmp_path):
    torch.save({"w": torch.ones(2)}, tmp_path / "w.pth")
    with no_pickle() as called:
        assert torch.load(tmp_path / "w.pth", weights_only=True)["w"].sum() == 2
        with pytest.raises(Forbidden):
            torch.load(tmp_path / "w.pth", weights_only=False)
    assert called == ["torch.load"]
    assert torch.load(tmp_path / "w.pth", weights_only=True)  # all as before


def test_a_device_that_is_in_use_already_is_noticed(monkeypatch):
    monkeypatch.setattr(guards, "HARMLESS", ("cpu",))  # meta stands for the GPU of a machine that has one
    assert refused(no_gpu(), lambda: torch.zeros(1).to("meta")) == ["a tensor was made on meta"]
    assert refused(no_gpu(), lambda: torch.zeros(1)) == []


def test_a_refusal_that_is_swallowed_counts_and_another_error_does_not():
    def swallow():
        try:
            torch.zeros(1, device="cuda")
        except RuntimeError:
            return

    assert refused(no_gpu(), swallow) == ["the GPU was initialised"]
    with pytest.raises(ZeroDivisionError):
        refused(no_gpu(), lambda: 1 / 0)
