"""What a ReferenceMatcher promises."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch
from torch import Tensor

from adcore.interfaces import Features, Fit, ReferenceMatcher, State
from adcore.store import load_tensors, save_tensors
from adcore.testing import inputs
from adcore.testing.checks import check, require
from adcore.testing.conduct import use
from adcore.testing.subject import Pyramid, Subject

REFERENCES = 3

_MAP = "return distances, such as 1 - similarity, one for each cell of a grid: float [B, h, w]"


@use("matcher")
@torch.no_grad()
def _use(matcher: ReferenceMatcher) -> None:
    state = matcher.fit(inputs.pyramid(REFERENCES)).state
    matcher.match(_queries(), state)
    if matcher.relations:
        matcher.relate(_queries(), state)


def _queries() -> Features:
    """Two images that resemble no reference."""
    return inputs.pyramid(2, seed=9)


@torch.no_grad()
def _fit(matcher: ReferenceMatcher, features: Features, views: int = 1) -> Fit:
    return _checked(matcher.fit(features, views) if views > 1 else matcher.fit(features), "fit")


def _checked(fit: Fit, method: str) -> Fit:
    require(
        isinstance(fit, Fit),
        f"{method} returned a {type(fit).__name__}, no adcore.Fit",
        "return adcore.Fit(state, among, relation)",
    )
    plain = isinstance(fit.state, dict) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in fit.state.items()
    )
    require(plain, f"the state of {method} is no dict of named tensors", "keep everything in it as tensors by name")
    return fit


@torch.no_grad()
def _match(matcher: ReferenceMatcher, features: Features, state: State) -> Tensor:
    """The map, found to be what the contract says."""
    heat = matcher.match(features, state)
    require(isinstance(heat, Tensor), f"match returned a {type(heat).__name__}, no tensor")
    require(
        heat.ndim == 3 and len(heat) == len(features[0]), f"match made {[*heat.shape]} of {len(features[0])} images"
    )
    require(heat.is_floating_point() and bool(heat.isfinite().all()), "the map holds what is no finite float", _MAP)
    return heat


def _close(one: Tensor, two: Tensor, tolerance: float = 1e-4) -> bool:
    return one.shape == two.shape and bool((one - two).abs().max() <= tolerance * max(1.0, float(one.abs().max())))


@check("matcher", _MAP)
def map_of_distances(subject: Subject) -> None:
    """``match`` returns a finite float [B, h, w] of at least 0."""
    matcher = subject.build()
    heat = _match(matcher, _queries(), _fit(matcher, inputs.pyramid(REFERENCES)).state)
    require(bool((heat >= 0).all()), f"the map goes down to {float(heat.min()):.3g}")


@check("matcher", "let the map grow with the distance to the nearest reference; it is 0 where a patch is found again")
def reference_scores_lowest(subject: Subject) -> None:
    """The map of a reference against itself is lower than that of any other image."""
    matcher, references = subject.build(), inputs.pyramid(REFERENCES)
    if matcher.transductive:
        pytest.skip("transductive: a reference is judged by the others")
    state = _fit(matcher, references).state
    own, others = _match(matcher, references, state).mean((1, 2)), _match(matcher, _queries(), state).mean((1, 2))
    require(bool(own.max() < others.min()), f"a reference scores {own.max():.3g}, another image {others.min():.3g}")


@check("matcher", "let no choice depend on which reference comes first: draw coresets from sorted or all patches")
def order_does_not_matter(subject: Subject) -> None:
    """The order of the references changes neither map nor relation, and ``among`` only as they are reordered."""
    matcher, references, order = subject.build(), inputs.pyramid(REFERENCES), [2, 0, 1]
    one, two = _fit(matcher, references), _fit(matcher, inputs.rows(references, order))
    pairs = {"map": (_match(matcher, _queries(), one.state), _match(matcher, _queries(), two.state))}
    pairs["among"] = (one.among[order], two.among)
    if matcher.relations:
        pairs["relation"] = (_relate(matcher, one.state), _relate(matcher, two.state))
    for name, (first, second) in pairs.items():
        require(_close(first, second, 1e-3), f"another order of the references gave another {name}")


@check("matcher", "with one reference compare it with itself, without each patch's own neighbourhood, for `among`")
def one_shot(subject: Subject) -> None:
    """One reference is enough."""
    matcher = subject.build()
    fit = _fit(matcher, inputs.pyramid(1))
    _match(matcher, _queries(), fit.state)
    require(
        len(fit.among) == 1 and bool(fit.among.isfinite().all()), "`among` of one reference is not finite [1, h, w]"
    )
    if matcher.relations:
        require(bool(_relate(matcher, fit.state).isfinite().all()), "the relation to one reference is not finite")


@check("matcher", "compute each image's map from that image and the state alone")
def batch_does_not_matter(subject: Subject) -> None:
    """An image has the same map alone as among others, and the same each time."""
    matcher, queries = subject.build(), _queries()
    state = _fit(matcher, inputs.pyramid(REFERENCES)).state
    together, alone = _match(matcher, queries, state), _match(matcher, inputs.rows(queries, [1]), state)
    require(_close(together[1:], alone), "the map of an image differs in a batch of 2 from that alone")


@check("matcher", "make `fit_stream` return what `fit` would of all references, or do not override it")
def stream_equals_fit(subject: Subject) -> None:
    """``fit_stream``, given the references one after another, gives what ``fit`` gives for all of them."""
    matcher, features = subject.build(), inputs.pyramid(2 * REFERENCES)  # two views each
    with torch.no_grad():
        pairs = [inputs.rows(features, [2 * i, 2 * i + 1]) for i in range(REFERENCES)]
        streamed = _checked(matcher.fit_stream(pairs), "fit_stream")
    _same_fit(matcher, _fit(matcher, features, views=2), streamed, "fit_stream")


@check("matcher", "make `extend` return what `fit` would of all references, or do not override it")
def extend_equals_refit(subject: Subject) -> None:
    """Where ``extend`` is offered, it gives what ``fit`` gives for all references, and leaves the state alone."""
    if subject.cls.extend is ReferenceMatcher.extend:  # type: ignore[attr-defined]
        pytest.skip("`extend` is not overridden: a context is fitted anew")
    matcher, references = subject.build(), inputs.pyramid(REFERENCES)
    first, further = inputs.rows(references, [0, 1]), inputs.rows(references, [2])
    state = _fit(matcher, first).state
    kept = {key: value.clone() for key, value in state.items()}
    try:
        with torch.no_grad():
            extended = _checked(matcher.extend(state, further), "extend")
    except NotImplementedError as error:
        pytest.skip(f"`extend` is not offered: {error}")
    same = kept.keys() == state.keys() and all(torch.equal(kept[key], state[key]) for key in kept)
    require(same, "extend changed the state that it was given", "build a new dict; clone what is changed")
    _same_fit(matcher, _fit(matcher, references), extended, "extend")


def _same_fit(matcher: ReferenceMatcher, whole: Fit, other: Fit, method: str) -> None:
    pairs = {"map": [_match(matcher, _queries(), fit.state) for fit in (whole, other)]}
    pairs["among"] = [whole.among, other.among]
    if matcher.relations:
        pairs["relation"] = [_relate(matcher, fit.state) for fit in (whole, other)]
    for name, (one, two) in pairs.items():
        require(_close(one, two, 1e-3), f"after {method} the {name} is another than after fit of all references")


@check("matcher", "keep in the state all that `match` and `relate` need, and nothing of a context on self")
def state_survives_a_file(subject: Subject) -> None:
    """The state, saved as safetensors and read back, gives the same map in another instance."""
    matcher, other = subject.build(), subject.build()
    state = _fit(matcher, inputs.pyramid(REFERENCES)).state
    with tempfile.TemporaryDirectory() as folder:
        save_tensors(Path(folder) / "state.safetensors", state)
        restored = load_tensors(Path(folder) / "state.safetensors")
    expected = _match(matcher, _queries(), state)
    _fit(other, inputs.pyramid(2, seed=5))  # one matcher serves many contexts
    require(_close(expected, _match(other, _queries(), restored), 1e-6), "the map changed")


@check("matcher", "match each reference with the state of all others: float [k, h, w], on the grid of `match`")
def among_as_an_unseen_image(subject: Subject) -> None:
    """``Fit.among``, [k, h, w] >= 0, matches each reference as an unseen image: higher than it matches itself."""
    matcher, references = subject.build(), inputs.pyramid(REFERENCES)
    fit = _fit(matcher, references)
    heat = _match(matcher, references, fit.state)
    require(fit.among.shape == heat.shape, f"`among` is {[*fit.among.shape]}, maps of the references {[*heat.shape]}")
    require(bool(fit.among.isfinite().all() and (fit.among >= 0).all()), "`among` holds negative or non-finite values")
    if matcher.transductive:
        return  # `match` leaves a reference out of its own verdict as well
    unlike = bool((fit.among.mean((1, 2)) > heat.mean((1, 2))).all())
    require(unlike, "`among` is no higher than the map of references that the state already holds")


@check("matcher", "make `match_and_relate` return what `match` and `relate` would, or do not override it")
def both_at_once(subject: Subject) -> None:
    """``match_and_relate`` gives what ``match`` and ``relate`` give one by one."""
    matcher = subject.build()
    if not matcher.relations:
        pytest.skip("it offers no relation")
    state = _fit(matcher, inputs.pyramid(REFERENCES)).state
    with torch.no_grad():
        heat, relation = matcher.match_and_relate(_queries(), state)
    same = _close(heat, _match(matcher, _queries(), state)) and _close(relation, _relate(matcher, state))
    require(same, "`match_and_relate` gives another map or relation")


@check(
    "matcher",
    "set `relations` to the channels R of `relate`, in __init__ where arguments decide it; 0 if there is none",
)
def relation_as_declared(subject: Subject) -> None:
    """``relate`` and ``Fit.relation`` are [B, R, h, w] and [k, R, h, w], z-scored, R = ``relations``; 0 is none."""
    matcher = subject.build()
    fit = _fit(matcher, inputs.pyramid(REFERENCES))
    if not matcher.relations:
        overridden = subject.cls.relate is not ReferenceMatcher.relate  # type: ignore[attr-defined]
        require(not overridden, "it has a method `relate`, but `relations` is 0")
        require(fit.relation is None, "`Fit.relation` is given, but `relations` is 0")
        return
    require(fit.relation is not None, f"`Fit.relation` is None, but `relations` is {matcher.relations}")
    relation = _relate(matcher, fit.state)
    assert fit.relation is not None
    for name, tensor, count in (("relate", relation, 2), ("Fit.relation", fit.relation, REFERENCES)):
        fits = tensor.ndim == 4 and [*tensor.shape[:2]] == [count, matcher.relations]
        require(fits, f"{name} is {[*tensor.shape]}, not [{count}, {matcher.relations}, h, w]")
        require(bool(tensor.isfinite().all()), f"{name} holds NaN or infinity")
    mean, spread = fit.relation.mean((0, 2, 3)), fit.relation.std((0, 2, 3))
    standard = bool((mean.abs() < 1).all() and (spread > 0.2).all() and (spread < 5).all())
    require(
        standard, f"`Fit.relation` is not z-scored: channel means {_short(mean)}, standard deviations {_short(spread)}"
    )


@check(
    "matcher", "put the views of one reference next to each other, itself first: torch.stack(views, 1).flatten(0, 1)"
)
def views_of_references(subject: Subject) -> None:
    """``augment`` makes v views of each reference, itself first, and ``fit`` counts them as one reference."""
    matcher, references = subject.build(), inputs.images(2)
    kept = references.clone()
    with torch.no_grad():
        views = matcher.augment(references)
    require(torch.equal(kept, references), "augment changed the references")
    count, rest = divmod(len(views), 2)
    shape = [*views.shape[1:]]
    require(count > 0 and not rest and shape == [3, *inputs.SIZE], f"augment made {[*views.shape]} of {[*kept.shape]}")
    require(torch.equal(views[::count], kept), "the first view of each reference is not the reference itself")
    if count == 1:
        views, count = torch.stack([views, views.flip(-1)], 1).flatten(0, 1), 2
    fit = _fit(matcher, Pyramid()(views), count)
    require(len(fit.among) == 2, f"`among` has {len(fit.among)} maps for 2 references with {count} views each")
    _match(matcher, Pyramid()(kept), fit.state)


def _short(values: Tensor) -> str:
    return ", ".join(f"{value:.2g}" for value in values.tolist())


@torch.no_grad()
def _relate(matcher: ReferenceMatcher, state: State) -> Tensor:
    return matcher.relate(_queries(), state)
