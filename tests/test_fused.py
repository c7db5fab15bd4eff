import copy
import gc
import pickle
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import timm
import torch
from processor import CPU, needs_integers
from tiny import SWIN, recipe
from torch import nn

from adcore import fused
from adcore.fused import IN_INTEGERS, MOST_COPIES, PAYS, fastest, made_for
from adcore.fused_graph import fuse
from adcore.integer_convolution import IntegerConv2d, as_integers
from adcore.precision import computing_in, first_in_full
from adcore.recipe import parse

NETWORKS = [
    ("test_resnet.r160_in1k", {}),
    ("test_efficientnet.r160_in1k", {}),
    ("mobilenetv2_035", {"pad_type": "same"}),
    ("resnet10t", {}),
    ("regnety_002", {}),
]


class Block(nn.Module):
    """A residual block as networks have it, whose sum is read twice."""

    def __init__(self, inplace=True, channels=4):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels)
        self.act = nn.ReLU(inplace)

    def forward(self, x):
        y = self.act(self.bn1(self.conv1(x)))
        return self.act(self.bn2(self.conv2(y)) + y)


class Tiny(nn.Module):
    def __init__(self, channels=4):
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3)
        self.block, self.last = Block(channels=channels), Block(channels=channels)

    def forward(self, x):
        first = self.block(self.stem(x))
        return [first, self.last(first)]


class Choosy(Tiny):
    """Its flow depends on values."""

    def forward(self, x):
        return super().forward(x if x.mean() > 0 else -x)


def randomised(net):
    """A network in eval mode, with weights and statistics as if trained."""
    draw = torch.Generator().manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=draw)
            module.running_var.uniform_(0.5, 2, generator=draw)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=draw)
            nn.init.normal_(module.bias, 0, 0.3, generator=draw)
    return net.eval()


def network(model, options):
    torch.manual_seed(0)
    net = timm.create_model(model, features_only=True, out_indices=(0, 1, 2), **options)
    first_in_full(net)
    return randomised(net)


def tiny(channels=4):
    torch.manual_seed(0)
    net = Tiny(channels)
    first_in_full(net)
    return randomised(net)


def images(*shape):
    return torch.randn(shape or (1, 3, 16, 16), generator=torch.Generator().manual_seed(1))


def furthest(given, expected):
    """Largest difference, relative to the largest value of each level."""
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(given, expected, strict=True))


def same(net, x):
    """Whether what is fastest computes what the network does."""
    return furthest(fastest(net, x)(x), net(x)) < 1e-4


@torch.inference_mode()
@pytest.mark.parametrize(("model", "options"), NETWORKS)
def test_a_copy_agrees_with_its_network(model, options):
    with torch.inference_mode(False), torch.no_grad():
        net = network(model, options)
    for shape in [(1, 3, 64, 64), (2, 3, 96, 64), (1, 3, 65, 33)]:
        x = images(*shape)
        assert fastest(net, x) is not net
        given, expected = fastest(net, x)(x), net(x)
        assert furthest(given, expected) < 1e-4
        assert [level.is_contiguous() for level in given] == [level.is_contiguous() for level in net(_last(x))]


def _last(x):
    return x.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
@pytest.mark.parametrize(("model", "options"), NETWORKS)
@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="no bfloat16 on this processor")
def test_a_copy_in_bfloat16_rounds_no_more_than_its_network(model, options):
    net, x = network(model, options), images(1, 3, 64, 64)
    exact = net(x)
    with torch.autocast("cpu", torch.bfloat16):
        computed = fastest(net, x)
        assert computed is not net
        given, own = computed(x), net(x)
    for level, as_is, true in zip(given, own, exact, strict=True):
        assert level.dtype == torch.bfloat16
        assert (level - true).norm() < 1.3 * (as_is - true).norm()


@torch.inference_mode()
@needs_integers
@pytest.mark.parametrize("model", ["resnet18", "resnet50", "densenet121", "vgg11_bn"])
def test_heavy_networks_compute_in_integers(model):
    with torch.inference_mode(False), torch.no_grad():
        net = network(model, {})
    for shape in [(1, 3, 64, 64), (2, 3, 65, 33)]:
        x = images(*shape)
        exact = net(x)
        with computing_in("bf16-mixed", CPU):
            rounded = fastest(net, x)(x)
        with computing_in("int8-mixed", CPU):
            computed = fastest(net, x)
            given, again = computed(x), fastest(net, x)(x)
        assert computed is not net and all(map(torch.equal, given, again))
        for level, in_floats, true in zip(given, rounded, exact, strict=True):
            assert level.shape == true.shape and not torch.equal(level, in_floats)
            assert (level - true).norm() < IN_INTEGERS * true.norm()


@torch.inference_mode()
@needs_integers
def test_in_integers_a_batch_gives_what_its_images_give():
    with torch.inference_mode(False), torch.no_grad():
        net = network("resnet18", {})
    x = images(3, 3, 64, 64) * torch.tensor([0.01, 1, 20]).view(3, 1, 1, 1)
    with computing_in("int8-mixed", CPU):
        together, single = fastest(net, x)(x), [fastest(net, image)(image) for image in x.split(1)]
    for level, alone in zip(together, map(torch.cat, zip(*single, strict=True)), strict=True):
        assert torch.equal(level, alone)
        assert level.is_contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
@needs_integers
@pytest.mark.parametrize("model", ["mobilenetv2_035", "efficientnet_b0"])
def test_light_networks_compute_as_without_integers(model):
    with torch.inference_mode(False), torch.no_grad():
        net = network(model, {})
    x, found = images(1, 3, 64, 64), []
    for precision in ("bf16-mixed" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "32-true", "int8-mixed"):
        with computing_in(precision, CPU):
            found.append(fastest(net, x)(x))
    assert all(map(torch.equal, *found))


@torch.no_grad()
@needs_integers
def test_sums_in_integers_read_twice_are_not_overwritten():
    net, x = tiny(64), images()
    with computing_in("int8-mixed", CPU):
        computed = fastest(net, x)
        first, second = computed(x), computed(x)
    assert computed is not net and all(map(torch.equal, first, second))
    assert all((level - true).norm() < IN_INTEGERS * true.norm() for level, true in zip(first, net(x), strict=True))


@torch.no_grad()
def test_what_many_read_becomes_integers_once():
    class Fork(Tiny):
        def forward(self, x):
            first = self.block.act(self.stem(x))
            return [self.block.conv1(first), self.last.conv1(first), self.last.conv1(self.block.conv1(first))]

    graph = fuse(randomised(Fork(64)), fused.Numbers(torch.float32, torch.float32, integers=True))
    made = {node.args[0] for node in graph.graph.nodes if node.target in _in_integers(graph)}
    assert [node.target for node in made] == [as_integers] * 2
    assert {(node.args[1], len(node.users)) for node in made} == {(True, 3), (False, 1)}  # sign of a sum: unknown


def _in_integers(graph):
    return [name for name, module in graph.named_modules() if isinstance(module, IntegerConv2d)]


@torch.no_grad()
@needs_integers
@pytest.mark.parametrize("fault", ["operation", "error"])
def test_where_integers_fail_floats_compute(fault, monkeypatch):
    net, x = tiny(64), images()
    if fault == "operation":
        monkeypatch.setattr(torch.ops, "onednn", object())
    else:
        monkeypatch.setattr(fused, "IN_INTEGERS", 1e-6)
    with computing_in("int8-mixed", CPU):
        given = fastest(net, x)(x)
        assert fastest(net, x) is not net
    exact, limit = net(x), 0.02  # of bfloat16, where the processor has it
    assert all((level - true).norm() < limit * true.norm() for level, true in zip(given, exact, strict=True))


@torch.no_grad()
@needs_integers
def test_results_of_few_images_and_of_many_are_one():
    net, x = tiny(64), images()
    with computing_in("int8-mixed", CPU):
        with made_for(1):
            few = fastest(net, x)(x)
        with made_for(PAYS):
            many = fastest(net, x)(x)
    assert all((a.float() - b).norm() < 0.01 * b.float().norm() for a, b in zip(few, many, strict=True))


@torch.no_grad()
def test_sums_read_twice_are_not_overwritten():
    net, x = tiny(), images()
    before = x.clone()
    first, second = fastest(net, x)(x), fastest(net, x)(x)
    assert fastest(net, x) is not net and torch.equal(x, before)
    assert all(map(torch.equal, first, second)) and same(net, x)


@torch.no_grad()
@pytest.mark.parametrize("assign", [False, True])
def test_weights_that_are_loaded_count(assign):
    net, x = tiny(), images()
    known = fastest(net, x)
    other = {name: tensor * 2 for name, tensor in net.state_dict().items()}
    net.load_state_dict(other, assign=assign)
    assert fastest(net, x) is not known and same(net, x)


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net.block.conv1.weight.mul_(3),
        lambda net: net.block.bn1.running_mean.add_(1),
        lambda net: setattr(net.last, "act", nn.Tanh()),
        lambda net: setattr(net.stem, "weight", nn.Parameter(net.stem.weight * 2)),
        lambda net: net.last.bn2.train(),
        lambda net: net.stem.register_forward_hook(lambda module, given, result: result + 1),
    ],
)
@torch.no_grad()
def test_changes_of_any_kind_count(change):
    net, x = tiny(), images()
    fastest(net, x)
    change(net)
    assert same(net, x)


@torch.no_grad()
def test_it_is_fused_again_once_a_hook_is_gone():
    net, x = tiny(), images()
    hook = net.stem.register_forward_hook(lambda module, given, result: None)
    assert fastest(net, x) is net
    hook.remove()
    assert fastest(net, x) is not net


def test_training_and_gradients_are_for_the_network_itself():
    net, x = tiny(), images()
    assert fastest(net, x) is net
    with torch.no_grad():
        assert fastest(net.train(), x) is net
        assert fastest(net.eval(), x) is not net
        assert fastest(net, x.double()) is net and fastest(net, x.to("meta")) is net
        with torch.backends.mkldnn.flags(enabled=False):
            assert fastest(net, x) is net
    sum(level.sum() for level in net(x)).backward()
    assert net.stem.weight.grad is not None


def test_training_counts_where_versions_do_not():
    net, x = tiny(), images()
    with torch.no_grad():
        fastest(net, x)
    version = net.stem.weight._version
    sum(level.square().mean() for level in fastest(net, x)(x)).backward()
    torch.optim.SGD(net.parameters(), lr=0.1, fused=True).step()
    assert net.stem.weight._version == version
    with torch.no_grad():
        assert fastest(net, x) is not net and same(net, x)


def test_threads_get_one_copy_and_the_same_features():
    net, x = tiny(), images()

    def judged(_):
        with torch.inference_mode():
            computed = fastest(net, x)
            return computed, computed(x)

    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(judged, range(32))]
    assert len({id(computed) for computed, _ in found}) == 1 and found[0][0] is not net
    assert all(torch.equal(a, b) for _, levels in found for a, b in zip(levels, found[0][1], strict=True))


@torch.no_grad()
def test_other_threads_compute_undisturbed_while_a_network_is_traced():
    other, x, found = tiny(), images(), []

    class Slow(Tiny):
        def forward(self, given):
            def work():
                with torch.no_grad():
                    found.append(other(x))

            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            return super().forward(given)

    graph = fuse(randomised(Slow()), fused.Numbers(torch.float32, torch.float32))
    assert graph is not None and all(map(torch.equal, found[0], other(x)))


@torch.no_grad()
@pytest.mark.parametrize("fails", [None, lambda *_: 1 / 0, lambda *_: _broken()])
def test_what_cannot_be_fused_is_computed_as_it_is(fails, monkeypatch):
    if fails:
        monkeypatch.setattr(fused, "fuse", fails)
    net = tiny() if fails else randomised(Choosy())
    assert fastest(net, images()) is net


def _broken():
    net = tiny()
    net.last.bn2.bias.add_(1e-2)
    return torch.fx.symbolic_trace(net)


@torch.no_grad()
def test_without_an_operation_the_network_computes(monkeypatch):
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    net = tiny()
    assert fastest(net, images()) is net


@torch.no_grad()
def test_weights_made_in_inference_mode_are_not_copied():
    with torch.inference_mode():
        net = tiny()
        assert fastest(net, images()) is net


@torch.no_grad()
def test_for_few_images_no_copy_is_made():
    net, x = tiny(), images()
    with made_for(PAYS - 1):
        assert fastest(net, x) is net
    with made_for(PAYS):
        assert fastest(net, x) is not net
    with made_for(1):
        assert fastest(net, x) is net
    assert fastest(net, x) is not net


@torch.no_grad()
def test_of_many_sizes_some_are_fused():
    net = tiny()
    computed = [fastest(net, images(1, 3, 16, 16 + side)) for side in range(MOST_COPIES + 2)]
    assert [each is net for each in computed] == [False] * MOST_COPIES + [True] * 2


@torch.no_grad()
def test_a_copy_leaves_no_trace_in_its_network_and_goes_with_it():
    net, x = tiny(), images()
    names, size, before = [*net.state_dict()], len(pickle.dumps(net)), set(net.__dict__)
    computed = weakref.ref(fastest(net, x))
    assert [*net.state_dict()] == names and len(pickle.dumps(net)) == size and set(net.__dict__) == before
    assert same(copy.deepcopy(net), x)
    del net
    gc.collect()
    assert computed() is None


@torch.inference_mode()
@pytest.mark.parametrize("changes", [{}, {"backbone": SWIN}])
def test_a_detector_gives_the_features_of_its_backbone(changes):
    content = recipe(matcher="patchcore", head=None, fuser="mean", image_size=64, precision="32-true", **changes)
    with torch.inference_mode(False):
        detector = parse(content).build().detector().eval()
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    given, net = detector.features(x), detector.backbone.net
    assert (fastest(net, x) is net) == bool(changes)  # a transformer has nothing to fuse
    with torch.backends.mkldnn.flags(enabled=False):
        assert furthest(given, detector.features(x)) < 1e-4
