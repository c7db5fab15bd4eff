from dataclasses import replace

import pytest
import torch
from processor import CPU, needs_integers
from tiny import recipe

from adcore.calibration import Calibration
from adcore.errors import UserError
from adcore.fitting import ContextFitter
from adcore.fused import made_for
from adcore.precision import (
    FirstConv2d,
    computing_in,
    first_in_full,
    in_floats,
    in_full,
    in_integers,
    number_type,
    resolved,
)
from adcore.recipe import parse
from adcore.studying import fit_references

RESNET = {"name": "timm", "model": "resnet18", "levels": [1, 2], "weights": "none"}
HEAVY = RESNET | {"options": {"zero_init_last": False}}  # else nothing comes of the convolutions in integers


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"amx_bf16": True}, "bf16-mixed"),
        ({"avx512_bf16": True}, "bf16-mixed"),
        ({"avx512_bf16": True, "avx512_vnni": True}, "int8-mixed"),
        ({"amx_int8": True}, "int8-mixed"),
        ({"avx512_f": True}, "32-true"),
    ],
)
def test_auto_is_the_least_that_the_processor_multiplies(capabilities, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert resolved("auto", CPU) == expected


def test_a_named_precision_stays_as_it_is():
    assert resolved("32-true", CPU) == "32-true" and number_type("32-true") == torch.float32
    assert resolved("bf16-mixed", CPU) == "bf16-mixed" and number_type("bf16-mixed") == torch.bfloat16


def test_integers_need_a_processor_that_multiplies_them(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    with pytest.raises(UserError, match="int8-mixed needs a CPU with AVX512-VNNI or AMX; write auto"):
        resolved("int8-mixed", CPU)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_vnni": True}, raising=False)
    assert resolved("int8-mixed", CPU) == "int8-mixed"
    with pytest.raises(UserError, match="int8-mixed needs a CPU"):
        resolved("int8-mixed", torch.device("cuda"))


@pytest.mark.parametrize(("bfloat16", "autocast"), [(True, torch.bfloat16), (False, None)])
def test_beside_integers_is_computed_in_the_least_that_the_processor_multiplies(bfloat16, autocast, monkeypatch):
    capabilities = {"avx512_vnni": True, "avx512_bf16": bfloat16}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    with computing_in("int8-mixed", CPU):
        found = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
        assert in_integers() and found == autocast
        with computing_in("32-true", CPU):
            assert not in_integers() and not torch.is_autocast_enabled("cpu")
        assert in_integers()
    assert not in_integers()


@pytest.mark.parametrize(("precision", "message"), [("16-mixed", "CUDA"), ("fp8", "none of auto, 32-true")])
def test_what_there_is_not_is_refused(precision, message):
    with pytest.raises(UserError, match=f"precision: .*{message}"):
        resolved(precision, CPU)


@torch.no_grad()
@pytest.mark.parametrize("matcher", ["patchcore", "mahalanobis"])
@pytest.mark.parametrize("reduced_to", ["bf16-mixed", pytest.param("int8-mixed", marks=needs_integers)])
def test_reduced_precision_gives_nearly_the_same_maps(matcher, reduced_to, generator):
    images = torch.rand(6, 3, 64, 64, generator=generator)
    images[5, :, 20:40, 20:40] = 1
    maps = {}
    for precision in ("32-true", reduced_to):
        content = recipe(backbone=HEAVY, matcher=matcher, head=None, fuser="mean", image_size=64, precision=precision)
        detector = parse(content).build().detector().eval()
        assert detector.precision == precision
        assert all(level.dtype == torch.float32 for level in detector.features(images[:1]))
        state = fit_references(detector, images[:4]).matcher
        maps[precision] = detector.matcher.match(detector.features(images[4:]), state)
    full, reduced = maps["32-true"], maps[reduced_to]
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


@torch.no_grad()
@pytest.mark.parametrize("reduced_to", ["bf16-mixed", pytest.param("int8-mixed", marks=needs_integers)])
def test_a_context_is_made_in_full_precision(reduced_to, generator):
    images = dict(zip("abc", torch.rand(3, 3, 64, 64, generator=generator), strict=True))
    contexts = {}
    for precision in ("32-true", reduced_to):
        content = recipe(
            backbone=HEAVY, matcher="patchcore", head=None, fuser="mean", image_size=64, precision=precision
        )
        detector = parse(content).build().detector().eval()
        contexts[precision] = ContextFitter(detector, images.__getitem__, 0.05).fit("a", "abc")
    full, reduced = (contexts[precision].matcher["bank"] for precision in contexts)
    assert torch.equal(full, reduced)


def test_light_networks_are_no_integers_by_default(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_vnni": True}, raising=False)
    assert resolved("auto", CPU, heavy=False) == "32-true" and resolved("int8-mixed", CPU, heavy=False) == "int8-mixed"
    found = {}
    for model in ("resnet18", "mobilenetv2_035"):
        backbone = {"name": "timm", "model": model, "levels": [1, 2], "weights": "none"}
        content = recipe(backbone=backbone, matcher="patchcore", head=None, fuser="mean", precision="auto")
        found[model] = parse(content).build().detector().precision
    assert found == {"resnet18": "int8-mixed", "mobilenetv2_035": "32-true"}


def test_inside_of_floats_nothing_is_in_integers():
    with in_floats(), computing_in("int8-mixed", CPU):
        assert not in_integers()
    with computing_in("int8-mixed", CPU):
        assert in_integers()


@pytest.mark.parametrize("precision", ["bf16-mixed", "int8-mixed", "32-true"])
def test_in_full_nothing_is_reduced_whatever_else_is_said_inside(precision):
    with in_full(), in_floats(), computing_in(precision, CPU):
        assert not in_integers() and not torch.is_autocast_enabled("cpu")
    with in_floats(), in_full(), computing_in(precision, CPU):
        assert not in_integers() and not torch.is_autocast_enabled("cpu")
    with computing_in("bf16-mixed", CPU):
        assert torch.is_autocast_enabled("cpu")


@torch.no_grad()
@needs_integers
def test_decisions_in_doubt_are_made_in_full(generator):
    images = dict(zip("abcdefg", torch.rand(7, 3, 64, 64, generator=generator), strict=True))
    changes = {"backbone": HEAVY, "matcher": "patchcore", "head": None, "fuser": "mean", "precision": "int8-mixed"}
    content = recipe(image_size=64, **changes)
    detector = parse(content).build().detector().eval()
    context = ContextFitter(detector, images.__getitem__, 0.2).fit("a", "abc", "def")
    in_integers = detector.judge(detector.features(images["g"][None]), context)
    with in_full(), made_for(1):
        full = detector.predict(images["g"], context)
    assert in_integers.score != pytest.approx(full.score, rel=1e-6)
    for off, expected in ((0.1, full), (0.2, in_integers)):
        scores = in_integers.score + torch.tensor([-2.0, -1.0, -0.01])
        spread = float(scores.std(correction=0))
        near = Calibration.of((scores + off * spread + 0.01).tolist(), [1.0] * 3, 0.2)
        found = detector.predict(images["g"], replace(context, calibration=near))
        assert found.score == pytest.approx(expected.score, rel=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("precision", ["bf16-mixed", pytest.param("int8-mixed", marks=needs_integers)])
def test_the_threshold_is_that_of_full_precision(generator, precision):
    """It is the score of one held-out normal; those near it are judged again, the others are not."""
    images = {str(place): torch.rand(3, 64, 64, generator=generator) for place in range(14)}
    changes = {"backbone": HEAVY, "matcher": "patchcore", "head": None, "fuser": "mean"}
    found = {}
    for name in ("32-true", precision):
        detector = parse(recipe(image_size=64, precision=name, **changes)).build().detector().eval()
        fitter = ContextFitter(detector, images.__getitem__, 0.2)
        found[name] = fitter.fit("a", "012", [*images][3:]).calibration
    full, reduced = found.values()
    assert reduced.threshold == pytest.approx(full.threshold, rel=1e-6)
    off = [abs(one - other) / full.threshold for one, other in zip(full.scores, reduced.scores, strict=True)]
    assert max(off) > 1e-5
