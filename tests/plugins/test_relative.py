"""The head that reads the relation."""

import pytest
import torch
from adcore_plugins.relation import CHANNELS
from adcore_plugins.relative import FILE, Relative
from safetensors import safe_open
from safetensors.torch import save_file

from adcore.errors import UserError


def relation(count: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(count, len(CHANNELS), 16, 16, generator=generator)


def test_weights_of_a_file_give_the_same_output(tmp_path, generator):
    head, given = Relative(relations=len(CHANNELS)), (relation(2, generator),)
    save_file(head.state_dict(), tmp_path / "head.safetensors")
    twin = Relative(relations=len(CHANNELS), weights=str(tmp_path / "head.safetensors"))
    assert twin.pretrained and not head.pretrained
    for one, other in zip(head(given), twin(given), strict=True):
        assert torch.equal(one, other)


def test_a_missing_file_of_weights_is_told_with_what_there_is_instead(tmp_path):
    with pytest.raises(UserError, match=r"gone\.pt is no file; write an existing file, 'bundled' or 'none'"):
        Relative(relations=15, weights=str(tmp_path / "gone.pt"))


def test_weights_for_another_relation_are_refused(tmp_path):
    save_file(Relative(relations=4).state_dict(), tmp_path / "head.safetensors")
    with pytest.raises(UserError, match=r"15 relation channels \(stem.weight\); take `matcher: relation`"):
        Relative(relations=15, weights=str(tmp_path / "head.safetensors"))


def test_a_matcher_without_relation_is_refused():
    with pytest.raises(UserError, match="matcher: relation"):
        Relative(relations=0)


def test_the_loss_of_a_batch_of_normals_trains_the_image_too(generator):
    head = Relative(relations=4)
    output = head((torch.randn(2, 4, 16, 16, generator=generator),))
    head.loss(output, torch.zeros(2, 16, 16, dtype=torch.bool), generator).backward()
    assert head.image.weight.grad.abs().sum() > 0 and head.pixel.weight.grad.abs().sum() > 0


@pytest.mark.skipif(not FILE.exists(), reason="no bundled weights in this checkout")
class TestBundled:
    def test_they_are_small_and_say_what_they_were_made_from(self):
        assert FILE.stat().st_size < 2e6
        with safe_open(FILE, "pt") as weights:
            about = weights.metadata()["about"]
        assert '"benchmarks/train_relative_head.py"' in about and '"kept_back"' in about

    def test_a_defect_far_from_all_references_stands_out(self, generator):
        head = Relative(relations=len(CHANNELS), weights="bundled").eval()
        normal = 0.5 * relation(1, generator)
        spoilt = normal.clone()
        spoilt[:, : CHANNELS.index("usual"), 4:8, 6:10] += 6  # and no reference is unusual there
        with torch.no_grad():
            before, after = head((normal,)), head((spoilt,))
        assert after.image > before.image + 1
        assert after.logits[0, 4:8, 6:10].mean() > after.logits[0, 10:].mean() + 2
