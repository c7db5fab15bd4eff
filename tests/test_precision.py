import pytest
import torch
from tiny import recipe

from adcore.errors import UserError
from adcore.fitting import ContextFitter
from adcore.precision import FirstConv2d, first_in_full, number_type, resolved
from adcore.recipe import parse
from adcore.studying import fit_references

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({"amx_bf16": True}, "bf16-mixed"), ({"avx512_bf16": True}, "bf16-mixed"), ({"avx512_f": True}, "32-true")],
)
def test_auto_is_reduced_where_the_processor_multiplies_bfloat16(capabilities, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert resolved("auto", CPU) == expected


def test_a_named_precision_stays_as_it_is():
    assert resolved("32-true", CPU) == "32-true" and number_type("32-true") == torch.float32
    assert resolved("bf16-mixed", CPU) == "bf16-mixed" and number_type("bf16-mixed") == torch.bfloat16


@pytest.mark.parametrize(("precision", "message"), [("16-mixed", "CUDA"), ("fp8", "none of auto, 32-true")])
def test_what_there_is_not_is_refused(precision, message):
    with pytest.raises(UserError, match=f"precision: .*{message}"):
        resolved(precision, CPU)


@torch.inference_mode()
@pytest.mark.parametrize("matcher", ["patchcore", "mahalanobis"])
def test_reduced_precision_gives_nearly_the_same_maps(matcher, generator):
    images = torch.rand(6, 3, 64, 64, generator=generator)
    images[5, :, 20:40, 20:40] = 1
    maps = {}
    for precision in ("32-true", "bf16-mixed"):
        content = recipe(matcher=matcher, head=None, fuser="mean", image_size=64, precision=precision)
        detector = parse(content).build().detector().eval()
        assert detector.precision == precision
        assert all(level.dtype == torch.float32 for level in detector.features(images[:1]))
        state = fit_references(detector, images[:4]).matcher
        maps[precision] = detector.matcher.match(detector.features(images[4:]), state)
    full, reduced = maps["32-true"], maps["bf16-mixed"]
    assert not torch.equal(full, reduced)
    assert (full - reduced).abs().max() < 0.05 * full.max()
    assert torch.equal(full.flatten(1).amax(1).argsort(), reduced.flatten(1).amax(1).argsort())


@torch.inference_mode()
def test_only_the_first_convolution_is_computed_in_full(generator):
    images = torch.rand(1, 3, 32, 32, generator=generator)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3)))
    names, first = [*network.state_dict()], network[0](images)
    first_in_full(network)
    assert type(network[0]) is FirstConv2d and type(network[1][0]) is torch.nn.Conv2d
    assert [*network.state_dict()] == names and torch.equal(network[0](images), first)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network[0](images), first.bfloat16())
        assert network(images).dtype == torch.bfloat16


@torch.inference_mode()
def test_a_context_is_made_in_full_precision(generator):
    images = dict(zip("abc", torch.rand(3, 3, 64, 64, generator=generator), strict=True))
    contexts = {}
    for precision in ("32-true", "bf16-mixed"):
        content = recipe(matcher="patchcore", head=None, fuser="mean", image_size=64, precision=precision)
        detector = parse(content).build().detector().eval()
        contexts[precision] = ContextFitter(detector, images.__getitem__, 0.05).fit("a", "abc")
    full, reduced = (contexts[precision].matcher["bank"] for precision in contexts)
    assert torch.equal(full, reduced)
