"""Networks built around weights that they are given: nothing is drawn, and nothing is left of what was there before."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from adcore.network import Network

NETWORKS = [
    ("test_resnet.r160_in1k", {}),
    ("test_convnext.r160_in1k", {}),
    ("test_efficientnet.r160_in1k", {}),
    ("test_vit.r160_in1k", {}),
    ("swin_tiny_patch4_window7_224", {"embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 2, 2)}),
]


@pytest.mark.parametrize(("model", "options"), NETWORKS)
def test_weights_given_are_all_there_is(tmp_path, model, options):
    network = Network(model, options)
    levels = network.checked_levels(None)
    trained = timm.create_model(model, **network.options)
    with torch.no_grad():
        for tensor in [*trained.parameters(), *(b for b in trained.buffers() if b.is_floating_point())]:
            tensor.uniform_(0.1, 0.9)
    file = tmp_path / "weights.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in trained.state_dict().items()}, file)
    state = network.weights(str(file), levels)
    net, drawn = network.build_with(levels, state), network.build(levels, seed=3)
    drawn.load_state_dict(drawn.state_dict() | state)
    size = network.native_size
    x = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        given, usual = net.eval()(x), drawn.eval()(x)
    assert len(given) == len(levels)
    assert all(torch.equal(one, other) for one, other in zip(given, usual, strict=True))
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items() if name in state)


def test_building_leaves_the_global_generator_alone():
    network = Network("test_resnet.r160_in1k")
    levels = network.checked_levels(None)
    before = torch.random.get_rng_state()
    drawn = network.build(levels, seed=0)
    network.build_with(levels, drawn.state_dict())
    assert torch.equal(torch.random.get_rng_state(), before)
    again = network.build(levels, seed=0)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in drawn.state_dict().items())
