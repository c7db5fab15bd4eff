"""A network's graph with each convolution, normalisation, sum and activation in one operation of oneDNN."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from adcore.fused_convolution import CONVOLUTIONS, FusedConv2d, Normalisation, Numbers
from adcore.integer_convolution import IntegerConv2d, as_integers
from adcore.precision import FirstConv2d

_SUMS = (operator.add, operator.iadd, torch.add)
_ACTIVATIONS: dict[Any, tuple[str, list[float]]] = {
    nn.ReLU: ("relu", []),
    F.relu: ("relu", []),
    torch.relu: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    F.relu6: ("hardtanh", [0.0, 6.0]),
    nn.SiLU: ("swish", []),
    F.silu: ("swish", []),
}
_AFTER_SUMS = ("relu",)  # activations that oneDNN's sum takes along
_POSITIVE = ("relu", "hardtanh")  # activations that leave nothing negative
_Fused = FusedConv2d | IntegerConv2d

HEAVY = 48
"""Multiplications for each number read or written from which on a convolution is worth the making of integers."""

MOSTLY = 0.85
"""Share of a network's multiplications, after those of images, that must be heavy ones for integers to pay."""

_tracing = threading.Lock()


def fuse(net: nn.Module, numbers: Numbers) -> fx.GraphModule | None:
    """A network in eval mode as its fused graph, which shares the modules left as they are; None if nothing fuses.

    Raises:
        Exception: of any kind, where the network's flow depends on values or oneDNN lacks an operation.
    """
    graph, parts = _simplified(net)
    if numbers.integers and not _mostly_heavy(graph, parts):
        return None
    made: dict[fx.Node, _Fused] = {}
    for node in list(graph.nodes):
        if node.op == "call_module" and _fusible(parts[node.target]):
            _fuse_at(node, net, parts, numbers, made)
    if not any(module.takes_along for module in made.values()):
        return None
    _reuse_memory(graph, parts, made)
    _feed_integers(parts, made)
    used = {node.target: parts[node.target] for node in graph.nodes if node.op == "call_module"}
    tensors = {node.target: _attribute(net, node.target) for node in graph.nodes if node.op == "get_attr"}
    return fx.GraphModule(used | tensors, graph)


def pays(net: nn.Module) -> bool:
    """Whether a network takes less time in integers: where nearly all of its multiplications are of heavy layers.

    Raises:
        Exception: of any kind, where the network's flow depends on values.
    """
    return _mostly_heavy(*_simplified(net))


def _simplified(net: nn.Module) -> tuple[fx.Graph, dict[str, nn.Module]]:
    """The graph of a network in eval mode without what does nothing, and its modules by name."""
    graph, parts = _Tracer().trace_alone(net), dict(net.named_modules())
    _simplify(graph, parts)
    return graph, parts


def _fuse_at(
    conv: fx.Node, net: nn.Module, parts: dict[str, nn.Module], numbers: Numbers, made: dict[fx.Node, _Fused]
) -> None:
    """Replace a convolution, and what of normalisation, sum and activation follows it alone, by one operation."""
    chain, inputs = [conv], [conv.args[0]]
    following = _only_user(conv)
    norm = _normalisation(following, conv, net, parts)
    if following is not None and norm is not None:
        chain.append(following)
        following = _only_user(following)
    if following is not None and following.op == "call_function" and following.target in _SUMS:
        others = [arg for arg in following.args if arg is not chain[-1]]
        if len(others) == 1 and isinstance(others[0], fx.Node) and not following.kwargs:
            chain.append(following)
            inputs += others
            following = _only_user(following)
    module = _computing(parts[str(conv.target)], norm, numbers)
    activation = None if following is None else _activation(following, parts)
    if following is not None and activation and (len(inputs) == 1 or activation[0] in _AFTER_SUMS):
        chain.append(following)
        module.activation = activation
    module.takes_along = len(chain) > 1
    name = f"fused{len(made)}"
    parts[name] = module
    with conv.graph.inserting_before(chain[-1]):
        node = conv.graph.call_module(name, tuple(inputs))
    chain[-1].replace_all_uses_with(node)
    for old in reversed(chain):
        conv.graph.erase_node(old)
    made[node] = module


def _computing(conv: nn.Module, norm: Normalisation | None, numbers: Numbers) -> _Fused:
    """What computes a convolution and its normalisation."""
    assert isinstance(conv, nn.Conv2d)
    return IntegerConv2d(conv, norm) if numbers.integers and _heavy(conv) else FusedConv2d(conv, norm, numbers)


def _heavy(conv: nn.Conv2d) -> bool:
    """Whether a convolution takes less time in integers, with the making of them."""
    height, width = conv.stride
    numbers = conv.in_channels * height * width + conv.out_channels
    return type(conv) is nn.Conv2d and conv.groups == 1 and conv.weight.numel() >= HEAVY * numbers


def _mostly_heavy(graph: fx.Graph, parts: dict[str, nn.Module]) -> bool:
    """Whether nearly all multiplications of a network are of heavy convolutions, but for those of images."""
    share: dict[fx.Node, float] = {}  # of the image's pixels that a result has cells
    work = {True: 0.0, False: 0.0}
    for node in graph.nodes:
        module = parts[node.target] if node.op == "call_module" else None
        stride = getattr(module, "stride", 1)
        height, width = stride if isinstance(stride, tuple) else (stride, stride)
        share[node] = min((share[source] for source in node.all_input_nodes), default=1.0) / (height * width)
        if module is not None and _fusible(module) and not isinstance(module, FirstConv2d):
            assert isinstance(module, nn.Conv2d)
            work[_heavy(module)] += module.weight.numel() * share[node]
    return work[True] > 0 and work[True] >= MOSTLY * sum(work.values())


def _feed_integers(parts: dict[str, nn.Module], made: dict[fx.Node, _Fused]) -> None:
    """Let what convolutions in integers read be made integers, once for all that read it and before it can change."""
    converted: dict[fx.Node, fx.Node] = {}
    for node, module in made.items():
        if isinstance(module, IntegerConv2d):
            source = node.args[0]
            assert isinstance(source, fx.Node)
            if source not in converted:
                with source.graph.inserting_after(source):
                    converted[source] = source.graph.call_function(as_integers, (source, _positive(source, parts)))
            node.update_arg(0, converted[source])


def _positive(node: fx.Node, parts: dict[str, nn.Module]) -> bool:
    """Whether a result surely has nothing negative in it."""
    module = parts[str(node.target)] if node.op == "call_module" else None
    if isinstance(module, nn.MaxPool2d):
        source = node.args[0]
        return isinstance(source, fx.Node) and _positive(source, parts)
    return isinstance(module, _Fused) and module.activation[0] in _POSITIVE


def _reuse_memory(graph: fx.Graph, parts: dict[str, nn.Module], made: dict[fx.Node, _Fused]) -> None:
    """Let sums overwrite what nothing reads later: fresh results of operations, seen by fused ones alone."""
    place = {node: index for index, node in enumerate(graph.nodes)}
    for node, module in made.items():
        if len(node.args) == 2:
            summand = node.args[1]
            assert isinstance(summand, fx.Node)
            fresh = summand in made or (
                summand.op == "call_module" and type(parts[str(summand.target)]) is nn.MaxPool2d
            )
            last = all(user in made and place[user] <= place[node] for user in summand.users)
            module.in_place = fresh and last and node.args[0] is not summand


def _simplify(graph: fx.Graph, parts: dict[str, nn.Module]) -> None:
    """Remove what does nothing in eval mode: identities, dropout, assertions and what only these read."""
    for node in list(graph.nodes):
        nothing = node.op == "call_module" and type(parts[node.target]) in (nn.Identity, nn.Dropout)
        if nothing and not parts[node.target].training:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    for node in reversed(list(graph.nodes)):
        idle = node.op == "get_attr" or (node.op == "call_function" and node.target in (getattr, operator.eq))
        if node.target is torch._assert or (idle and not node.users):
            graph.erase_node(node)


def _fusible(module: nn.Module) -> bool:
    if type(module) not in CONVOLUTIONS:
        return False
    assert isinstance(module, nn.Conv2d)
    return module.padding_mode == "zeros" and not isinstance(module.padding, str)


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _normalisation(
    node: fx.Node | None, x: fx.Node, net: nn.Module, parts: dict[str, nn.Module]
) -> Normalisation | None:
    """What a node normalises `x` by, where it is batch normalisation by fixed statistics."""
    if node is None or node.args[:1] != (x,):
        return None
    if node.op == "call_module":
        norm = parts[str(node.target)]
        if type(norm) is not nn.BatchNorm2d or norm.training or norm.running_mean is None or norm.running_var is None:
            return None
        return Normalisation(norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.eps)
    if node.target is not F.batch_norm or len(node.args) != 3:
        return None
    given = {"weight": None, "bias": None, "training": False, "eps": 1e-5} | node.kwargs
    values: list[Any] = [
        _attribute(net, part.target) if isinstance(part, fx.Node) and part.op == "get_attr" else part
        for part in (*node.args[1:], given["weight"], given["bias"])
    ]
    if given["training"] is not False or not all(isinstance(value, Tensor) for value in values[:2]):
        return None
    mean, variance, weight, bias = values
    return Normalisation(mean, variance, weight, bias, given["eps"])  # type: ignore[arg-type]


def _activation(node: fx.Node, parts: dict[str, nn.Module]) -> tuple[str, list[float]] | None:
    if node.op == "call_module":
        return _ACTIVATIONS.get(type(parts[str(node.target)]))
    return _ACTIVATIONS.get(node.target) if node.op == "call_function" else None


def _attribute(net: nn.Module, target: Any) -> Any:
    return operator.attrgetter(target)(net)


class _Tracer(fx.Tracer):
    """Records a network's flow down to whole convolutions, and leaves alone what other threads compute meanwhile."""

    def trace_alone(self, net: nn.Module) -> fx.Graph:
        """The graph of a network; fx traces one at a time."""
        self.thread = threading.get_ident()
        with _tracing:
            return self.trace(net)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is taken as it is."""
        return isinstance(m, nn.Conv2d) or super().is_leaf_module(m, module_qualified_name)

    # While it traces, fx sends the modules of all threads through these two.
    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Record a module of this thread."""
        own = threading.get_ident() == self.thread
        return super().call_module(m, forward, args, kwargs) if own else forward(*args, **kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Record a parameter of this thread."""
        own = threading.get_ident() == self.thread
        return super().getattr(attr, attr_val, parameter_proxy_cache) if own else attr_val
