"""The fuser that adds log-odds."""

import pytest
import torch
from adcore_plugins.logodds import LogOdds

from adcore.errors import UserError


def test_distances_count_by_their_spread_among_normals_and_probabilities_by_their_odds():
    normals = {"reference": torch.tensor([[[1.0, 3.0]]]), "contrastive": torch.full((1, 1, 2), 0.1)}
    fuser = LogOdds(weight=0.5)
    state = fuser.fit(normals)
    fused = fuser.fuse({"reference": torch.tensor([[[2.0, 6.0]]]), "contrastive": torch.tensor([[[0.5, 0.75]]])}, state)
    assert torch.allclose(fused, torch.tensor([[[0.0, 0.5 * 4 + torch.tensor(3.0).log()]]]))


def test_a_weight_has_to_be_above_0():
    with pytest.raises(UserError, match=r"fuser\.weight"):
        LogOdds(weight=0)
