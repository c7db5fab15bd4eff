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


def test_a_branch_that_does_not_see_simulated_anomalies_loses_weight(generator):
    masks = torch.zeros(10, 8, 8, dtype=torch.bool)
    masks[:, 2:5, 3:6] = True
    noise = torch.rand(14, 8, 8, generator=generator)
    reference = torch.rand(14, 8, 8, generator=generator)
    reference[4:] += 3 * masks
    maps = {"reference": reference, "contrastive": 0.1 + 0.5 * noise}
    normals, simulated = ({branch: m[part] for branch, m in maps.items()} for part in (slice(4), slice(4, None)))
    fuser = LogOdds()
    before, after = fuser.fit(normals), fuser.learn(normals, simulated, masks)
    assert after["contrastive.weight"] < 0.6 * before["contrastive.weight"]
    assert after["reference.weight"] > 1.5 * before["reference.weight"]
    assert fuser.trust(after) == pytest.approx(float(after["contrastive.weight"]))


def test_few_simulated_anomalies_move_nothing(generator):
    maps = {branch: torch.rand(4, 8, 8, generator=generator) for branch in ("reference", "contrastive")}
    masks = torch.ones(4, 8, 8, dtype=torch.bool)
    assert LogOdds().learn(maps, maps, masks).keys() == LogOdds().fit(maps).keys()
    assert LogOdds().learn(maps, maps, masks)["reference.weight"] == 0.25
