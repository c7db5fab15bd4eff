"""What a Head promises."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from adcore.contrastive import contrastive_map, prototypes
from adcore.interfaces import Clusterer, Features, Head, HeadOutput
from adcore.testing import inputs
from adcore.testing.checks import check, require
from adcore.testing.conduct import use
from adcore.testing.guards import seeded
from adcore.testing.subject import RELATIONS, Subject

STEPS = 40
"""Steps of Adam after which a planted defect has to stand out."""

RATE = 3e-3
"""Their learning rate."""


_OUTPUT = "return HeadOutput(embedding=[B, D, h, w]), or logits=[B, h, w], or both, for each of the B images"
_FINITE = "guard divisions and logarithms, and normalise what comes in"


@use("head")
def _use(head: Head) -> None:
    given, defect = _batch(head)
    output = head(given)
    _backward(head.loss(output, _target(output, defect), inputs.generator()))


def _batch(head: Head, count: int = 4, seed: int = 0, planted: bool = True) -> tuple[Features, Tensor]:
    """What the head declares as its input, and where a defect was planted, bool [count, H, W] in cells of level 0."""
    (h, w), draws = inputs.CELLS[0], inputs.generator(seed + 100)
    relation = torch.randn(count, RELATIONS, h, w, generator=draws)
    levels = {"features": inputs.pyramid(count, seed), "relation": (relation,)}
    levels["both"] = (*levels["features"], relation)
    chosen = levels.get(head.input)
    require(chosen is not None, f"`input` is {head.input!r}", "set `input` to 'features', 'relation' or 'both'")
    assert chosen is not None
    defect = torch.zeros(count, h, w, dtype=torch.bool)
    if planted:
        defect[:, h // 4 : h // 2, w // 5 : 3 * w // 5] = True
        for level in chosen:
            inside = _resized(defect, level.shape[-2:])
            level[:, ::2] += 3.0 * inside[:, None]
    return chosen, defect


def _resized(mask: Tensor, size: tuple[int, ...]) -> Tensor:
    return torch.nn.functional.interpolate(mask[:, None].float(), tuple(size))[:, 0] > 0.5


def _grid(output: HeadOutput) -> tuple[int, int, int]:
    """Images, rows and columns of an output, found to be what the contract says."""
    require(isinstance(output, HeadOutput), f"forward returned a {type(output).__name__}", _OUTPUT)
    embedding, logits = output.embedding, output.logits
    require(embedding is not None or logits is not None, "the output has neither an embedding nor logits", _OUTPUT)
    shapes = []
    for name, tensor, dimensions in (("embedding", embedding, 4), ("logits", logits, 3)):
        if tensor is not None:
            require(tensor.ndim == dimensions, f"{name} has shape {[*tensor.shape]}", _OUTPUT)
            require(bool(tensor.isfinite().all()), f"{name} holds NaN or infinity", _FINITE)
            shapes.append((len(tensor), *tensor.shape[-2:]))
    require(len({*shapes}) == 1, f"embedding and logits are on different grids: {shapes}", _OUTPUT)
    if output.image is not None:
        require(output.image.shape == shapes[0][:1], f"image has shape {[*output.image.shape]}, not [B]", _OUTPUT)
        require(bool(output.image.isfinite().all()), "image holds NaN or infinity", _FINITE)
    return shapes[0]


def _target(output: HeadOutput, defect: Tensor) -> Tensor:
    return _resized(defect, _grid(output)[1:])


def _loss(head: Head, output: HeadOutput, target: Tensor, seed: int = 0) -> Tensor:
    """The loss, found to be what the contract says."""
    loss = head.loss(output, target, inputs.generator(seed))
    require(isinstance(loss, Tensor) and loss.ndim == 0, f"loss returned {loss!r:.60}, no scalar tensor")
    share = float(target.float().mean())
    what = "one class" if share in (0.0, 1.0) else "both classes"
    require(bool(loss.isfinite()), f"the loss of a batch with {what} is {loss.item()}")
    require(loss.requires_grad, f"the loss of a batch with {what} has no graph")
    return loss


def _backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]


@check("head", _OUTPUT)
def output_on_a_grid(subject: Subject) -> None:
    """``forward`` returns finite embedding [B, D, h, w] and/or logits [B, h, w] on one grid of the head's choice."""
    head = subject.build()
    for count in (1, 4):
        made = _grid(head(_batch(head, count)[0]))[0]
        require(made == count, f"the output has {made} rows for {count} images")


@check("head", "end `forward` with torch.nn.functional.normalize(embedding, dim=1)")
def unit_norm_embedding(subject: Subject) -> None:
    """Each pixel's embedding has norm 1."""
    head = subject.build()
    output = head(_batch(head)[0])
    _grid(output)
    if output.embedding is not None:
        far = float((output.embedding.detach().norm(dim=1) - 1).abs().max())
        require(far < 1e-3, f"norms of embeddings differ from 1 by up to {far:.2g}")


@check(
    "head", "skip images without a pair to compare; where nothing is left return 0 with a graph: embedding.sum() * 0"
)
def finite_loss(subject: Subject) -> None:
    """``loss`` is a finite scalar with a graph, also where the batch holds only normal or only anomalous pixels."""
    head = subject.build()
    given, defect = _batch(head)
    for target in (defect, torch.zeros_like(defect), torch.ones_like(defect)):
        output = head(given)
        _backward(_loss(head, output, _target(output, target)))
        for name, parameter in head.named_parameters():
            finite = parameter.grad is None or bool(parameter.grad.isfinite().all())
            require(finite, f"the gradient of `{name}` holds NaN or infinity")


@check("head", "use every parameter and input on the way to the loss: no detach(), no torch.no_grad(), no .data")
def gradient_reaches_everything(subject: Subject) -> None:
    """The gradient of the loss reaches every parameter and every level of the input."""
    head = subject.build()
    given, defect = _batch(head)
    given = tuple(level.requires_grad_() for level in given)
    output = head(given)
    _backward(_loss(head, output, _target(output, defect)))
    trained = {name: parameter for name, parameter in head.named_parameters() if parameter.requires_grad}
    for name, parameter in trained.items():
        require(parameter.grad is not None, f"no gradient reaches the parameter `{name}`")
    for index, level in enumerate(given):
        require(level.grad is not None and bool(level.grad.any()), f"no gradient reaches level {index} of the input")


@check("head", "draw from the generator that `loss` is given: torch.randperm(n, generator=generator)")
def loss_by_generator(subject: Subject) -> None:
    """The same generator gives the same loss; nothing else is drawn from."""
    head = subject.build()
    given, defect = _batch(head)
    output = head(given)
    losses = []
    for around in (0, 1):
        with seeded(around):
            losses.append(_loss(head, output, _target(output, defect)).item())
    require(losses[0] == losses[1], f"an equal generator gave {losses[0]:.6g} and then {losses[1]:.6g}")


@check("head", "check the loss's sign, and that logits are positive where anomalous; `target` is True there")
def learns_a_planted_defect(subject: Subject) -> None:
    """After a few steps of training a planted defect scores higher than its surroundings."""
    head: Head = subject.build()
    if not any(parameter.requires_grad for parameter in head.parameters()):
        return
    optimizer = torch.optim.Adam(head.parameters(), lr=RATE)
    head.train()
    for step in range(STEPS):
        given, defect = _batch(head, seed=step)
        output = head(given)
        loss = _loss(head, output, _target(output, defect), seed=step)
        optimizer.zero_grad()
        _backward(loss)
        optimizer.step()
    inside, outside = _separation(head.eval())
    require(
        inside > outside, f"after {STEPS} steps the defect scores {inside:.3g}, the rest of the image {outside:.3g}"
    )


@torch.no_grad()
def _separation(head: Head) -> tuple[float, float]:
    """Mean map inside and outside a defect that was not trained on."""
    normal = head(_batch(head, seed=1001, planted=False)[0])
    given, defect = _batch(head, seed=1000)
    output = head(given)
    known = None if normal.embedding is None else prototypes(normal.embedding)
    heat, target = contrastive_map(output, _OneCluster(), known), _target(output, defect)
    return float(heat[target].mean()), float(heat[~target].mean())


class _OneCluster(Clusterer):
    """So that each pixel stands for itself."""

    def fit_predict(self, x: np.ndarray) -> np.ndarray:
        return np.zeros(len(x), dtype=np.int64)
