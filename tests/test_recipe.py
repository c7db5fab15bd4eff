"""Recipes: what may be written, what it means, and what each mistake is answered with."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from adcore.errors import UserError
from adcore.overrides import Override, apply, split
from adcore.recipe import Recipe, parse
from adcore.runner import Runner

COMPONENTS = '''
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from adcore import Backbone, Clusterer, Dataset, Fuser, Head, Observer, ReferenceMatcher, Synthesizer
from adcore.errors import UserError


class Pictures(Dataset):
    def __init__(self, count: int = 3, mode: Literal["fast", "slow"] = "fast"):
        """Pictures.

        Args:
            count: how many.
            mode: how.
        """
        self.count, self.mode = count, mode

    def samples(self): return []
    def image(self, sample): ...
    def mask(self, sample): ...


class Net(Backbone):
    def __init__(self, depth: int = 18, weights: str | None = "pretrained", levels: tuple[int, ...] = (1, 2)):
        """A net."""
        super().__init__()
        self.depth, self.weights, self.levels = depth, weights, levels
        self.channels, self.strides = (depth,) * len(levels), tuple(2**level for level in levels)
        self.layer = nn.Linear(4, 4)
        if depth < 1:
            raise ValueError(f"depth {depth} is not positive")
        if weights == "gone.pth":
            raise UserError(f"weights: {weights} is no file")

    def forward(self, images): ...


class WideNet(Net):
    def __init__(self, width: float = 1.0, **kwargs):
        """A wide net."""
        super().__init__(**kwargs)
        self.width = width


class Stripes(Synthesizer):
    def __init__(self, size: float = 1e-3, colours: list[str] | None = None):
        """Stripes."""
        self.size, self.colours = size, colours

    def synthesize(self, image, source, generator): ...


@dataclass
class Decay:
    """Decay.

    Args:
        rate: per step.
        steps: how many.
    """

    rate: float = 0.5
    steps: int = 2


class Embed(Head):
    def __init__(
        self,
        channels: tuple[int, ...],
        relations: int,
        teacher: Synthesizer | None = None,
        more: list[Synthesizer] | None = None,
        decay: Decay = Decay(0.25),
        activation: Callable[[float], float] | None = None,
        extra: Any = None,
    ):
        """Embed."""
        super().__init__()
        self.channels, self.relations, self.teacher, self.more = channels, relations, teacher, more
        self.decay, self.activation = decay, activation
        self.layer = nn.Linear(4, 4)

    def forward(self, inputs): ...
    def loss(self, output, target, generator): ...


class Near(ReferenceMatcher):
    relations = 5

    def __init__(self, strides: tuple[int, ...], k: int = 1):
        """Near."""
        self.strides, self.k = strides, k
        if k < 1:
            raise UserError(f"matcher.k: {k} is too few")

    def fit(self, features, views=1): ...
    def match(self, features, state): ...
    def among(self, features, views=1): ...


class Join(Fuser):
    def __init__(self, weight: float):
        """Join."""
        self.weight = weight

    def fuse(self, maps, state): ...


class Plain(Fuser):
    def fuse(self, maps, state): ...


class Watch(Observer):
    pass
'''

POINTS = """
[adcore.dataset]
pictures = tiny_parts:Pictures
[adcore.backbone]
net = tiny_parts:Net
wide_net = tiny_parts:WideNet
[adcore.head]
embed = tiny_parts:Embed
[adcore.matcher]
near = tiny_parts:Near
[adcore.fuser]
join = tiny_parts:Join
plain = tiny_parts:Plain
[adcore.synthesizer]
stripes = tiny_parts:Stripes
[adcore.observer]
watch = tiny_parts:Watch
"""

RECIPE = """
data: pictures
backbone: {name: net, depth: 34}
fuser: plain
matcher: near
head: {name: embed, teacher: {name: stripes, size: 2}}
synthesizers: [stripes, {name: stripes, size: 3}]
"""


@pytest.fixture(scope="session")
def site(tmp_path_factory, write_distribution):
    """A distribution with tiny components."""
    return write_distribution(tmp_path_factory.mktemp("site"), "tiny-parts", POINTS, tiny_parts=COMPONENTS)


@pytest.fixture
def recipe(site, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(RECIPE)
    return "tiny.yaml"


def build(recipe, *overrides) -> Runner:
    return parse(recipe, overrides).build()


def error(recipe, *overrides) -> str:
    with pytest.raises(UserError) as caught:
        build(recipe, *overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_short_names_become_components_also_nested_and_in_lists(recipe):
    runner = build(recipe)

    assert (runner.backbone.depth, runner.backbone.weights, runner.backbone.levels) == (34, "pretrained", (1, 2))
    assert (runner.head.teacher.size, [item.size for item in runner.synthesizers]) == (2.0, [0.001, 3.0])
    assert runner.head.more is None and runner.clusterer is None
    assert runner.context.shots == 4


def test_dimensions_come_from_the_backbone_and_the_matcher(recipe):
    runner = build(recipe, "--backbone.levels", "[1, 3]")

    assert runner.head.channels == (34, 34)
    assert runner.matcher.strides == (2, 8)
    assert runner.head.relations == 5
    assert build(recipe, "--matcher", "null").head.relations == 0


def test_a_dimension_that_is_linked_cannot_be_given(recipe):
    assert error(recipe, "--head.channels", "[1]") == "head.channels: the backbone decides it; remove it"
    assert error(recipe, "--head.relations", "1") == "head.relations: the matcher decides it; remove it"


def test_overrides_change_values_of_any_depth(recipe):
    runner = build(
        recipe,
        *(
            "--backbone.depth",
            "18",
            "--backbone.weights=a/b.pth",
            "--head.teacher.size=5",
            "--synthesizers.1.size",
            "7",
        ),
        *("--context.shots", "2", "--training.learning_rate", "1e-4", "--image_size", "[32, 48]", "--smoothing", "-1"),
    )

    assert (runner.backbone.depth, runner.backbone.weights) == (18, "a/b.pth")
    assert (runner.head.teacher.size, runner.synthesizers[1].size) == (5.0, 7.0)
    assert (runner.context.shots, runner.training.learning_rate) == (2, 1e-4)
    assert (runner.image_size, runner.smoothing) == ((32, 48), -1.0)


def test_long_forms_mean_the_same_as_short_ones(recipe):
    long = yaml.safe_load(RECIPE) | {"backbone": {"class_path": "tiny_parts.Net", "init_args": {"depth": 34}}}

    assert parse(long).resolved == parse(recipe).resolved
    assert build(long, "--backbone.init_args.depth", "7").backbone.depth == 7
    assert build(long, "--backbone", "net").backbone.depth == 34


def test_another_component_drops_the_arguments_of_the_one_before(recipe):
    assert build(recipe, "--backbone", "wide_net").backbone.depth == 18
    assert build(recipe, "--backbone", "net").backbone.depth == 34
    assert build(recipe, "--backbone.depth", "7", "--backbone", "wide_net").backbone.depth == 7
    assert build(recipe, "--backbone", "{name: wide_net, width: 2}").backbone.width == 2.0
    assert build(recipe, "--backbone", "{levels: [3]}").backbone.depth == 34
    assert build(recipe, "--matcher", "{k: 4}").matcher.k == 4


def test_lists_grow_and_are_replaced(recipe):
    assert len(build(recipe, "--synthesizers+=stripes").synthesizers) == 3
    assert build(recipe, "--synthesizers+", "{name: stripes, size: 9}").synthesizers[-1].size == 9.0
    assert len(build(recipe, "--synthesizers", "[stripes]").synthesizers) == 1
    assert len(build(recipe, "--observers+=watch", "--observers+=watch").observers) == 2
    assert len(build(recipe, "--synthesizers", "stripes").synthesizers) == 1
    assert build(recipe, "--head.more+=stripes").head.more[0].size == 0.001


def test_a_path_as_data_means_a_folder(recipe, tmp_path):
    def given(*changes):
        return apply(yaml.safe_load(RECIPE), [Override.parse(change) for change in split(changes)[0]])["data"]

    assert given("--data", "../images/bottle") == {"name": "folder", "root": "../images/bottle"}
    assert given("--data", "./pictures") == {"name": "folder", "root": "./pictures"}
    (tmp_path / "bottle").mkdir()
    assert given("--data", "bottle", "--data.mode", "slow") == {"name": "folder", "root": "bottle", "mode": "slow"}
    (tmp_path / "pictures").mkdir()
    assert given("--data", "pictures") == {"name": "pictures"}
    assert given("--data", "tiny-parts/pictures") == {"name": "pictures"}


def test_the_resolved_recipe_holds_every_default_and_resolves_to_itself(recipe):
    first = parse(recipe, ["--matcher", "near", "--backbone.weights", "1e-3", "--head.more", "[stripes]"])
    Path("resolved.yaml").write_text(first.dump())

    second = parse("resolved.yaml")

    assert second.dump() == first.dump()
    assert second.resolved == first.resolved == yaml.safe_load(first.dump())
    assert first.resolved["backbone"] == {
        "class_path": "tiny_parts.Net",
        "init_args": {"depth": 34, "weights": "1e-3", "levels": [1, 2]},
    }
    assert first.resolved["context"]["false_alarm_rate"] == 0.05
    assert first.resolved["head"]["init_args"]["decay"] == {"rate": 0.25, "steps": 2}
    assert first.resolved["clusterer"] is None
    assert "channels" not in first.resolved["head"]["init_args"]
    assert build("resolved.yaml").head.decay.rate == 0.25


def test_the_resolved_recipe_names_the_versions(recipe):
    parsed = parse(recipe)

    assert isinstance(parsed, Recipe)
    assert parsed.provenance["tiny-parts"] == "1.5"
    assert parsed.provenance.keys() >= {"adcore", "torch", "timm", "jsonargparse"}
    assert "tiny-parts 1.5" in parsed.dump().splitlines()[1]


def test_arguments_of_a_parent_class_are_known(recipe):
    runner = build(recipe, "--backbone", "wide_net", "--backbone.width", "2", "--backbone.depth", "50")

    assert (runner.backbone.width, runner.backbone.depth) == (2.0, 50)


def test_weights_depend_on_the_seed_alone_and_the_global_generator_is_left_alone(recipe):
    torch.manual_seed(3)
    expected = torch.rand(1, generator=torch.Generator().manual_seed(3))
    first = build(recipe).head.layer.weight
    drawn = torch.rand(1)

    assert torch.equal(drawn, expected)
    assert torch.equal(first, build(recipe).head.layer.weight)
    assert not torch.equal(first, build(recipe, "--seed", "1").head.layer.weight)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["--backbone", "nets"], "backbone: no backbone is called 'nets' .*; did you mean 'net'"),
        (["--head.teacher", "stripe"], "head.teacher: no synthesizer is called 'stripe' .* did you mean 'stripes'"),
        (["--synthesizers+=strips"], "synthesizers.2: no synthesizer is called 'strips' .* did you mean 'stripes'"),
        (["--backbon.depth", "3"], "unknown option --backbon; did you mean '--backbone'"),
        (["--backbone.dept", "3"], "backbone: net has no argument 'dept' .*; did you mean 'depth'"),
        (["--context.shot", "3"], "context has no argument 'shot' .*; did you mean 'shots'"),
        (["--head.decay.rat", "3"], "head.decay has no argument 'rat' .*; did you mean 'rate'"),
        (["--backbone.depth", "deep"], "backbone.depth: expected int, got 'deep'"),
        (["--backbone.depth", "3.5"], "backbone.depth: expected int, got '3.5'"),
        (["--backbone.depth", "null"], "backbone.depth: expected int, got 'null'"),
        (["--backbone.levels", "[a]"], r"backbone.levels: expected tuple\[int, ...\], got '\[a\]'"),
        (["--head.teacher.size", "big"], "head.teacher.size: expected float, got 'big'"),
        (["--synthesizers.1.size", "big"], "synthesizers.1.size: expected float, got 'big'"),
        (["--context.shots", "few"], "context.shots: expected float, got 'few'"),
        (["--training.backbone", "maybe"], "training.backbone: expected 'auto' or 'frozen' or .*, got 'maybe'"),
        (["--data.mode", "quick"], "data.mode: expected 'fast' or 'slow', got 'quick'"),
        (["--image_size", "[1, 2, 3]"], r"image_size: expected int or tuple\[int, int\].*, got '\[1, 2, 3\]'"),
        (["--fuser", "join"], r"fuser: join needs 'weight' \(float\)"),
        (["--fuser", "null"], "fuser: expected a fuser such as .*, got null"),
        (["--backbone", "[net]"], "backbone: takes one backbone, got a list of 1"),
        (["--backbone", "{depth: 3"], "is not valid YAML"),
        (["--backbone", "near"], "backbone: 'near' is a matcher, no backbone"),
        (["--backbone", "os.system"], "backbone: 'os.system' is no installed backbone"),
        (["--clusterer.k", "3"], "--clusterer.k: clusterer is empty in this recipe; name a component first"),
        (["--synthesizers.7.size", "3"], "--synthesizers.7.size: there is no '7' in a list of 2; count from 0"),
        (["--backbone.depth"], "--backbone.depth needs a value"),
        (["--head.activation", "os.system"], "head.activation: takes .*, which a recipe cannot write"),
        (["--head.extra", "{class_path: os.system}"], "head.extra: a class_path may only stand where a component"),
        (
            ["--head.extra", "[{a: '{class_path: os.system}'}]"],
            "head.extra: a class_path may only stand where a component",
        ),
        (["--head.teacher.siz", "3"], "head.teacher: stripes has no argument 'siz' .*; did you mean 'size'"),
        (["--head.more.size", "3"], "head.more.0: expected a synthesizer such as .*, got {'size': '3'}"),
        (["--backbone.depth", "0"], "^backbone: depth 0 is not positive"),
        (["--backbone.weights", "gone.pth"], r"^backbone\.weights: gone\.pth is no file"),
        (["--matcher.k", "0"], r"^matcher\.k: 0 is too few"),
        (["backbone"], "unexpected 'backbone'; changes to a recipe are written --key VALUE"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(recipe, overrides, message):
    assert re.search(message, error(recipe, *overrides))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("backbone: net\nbackbone: net", "bad.yaml, line 2: 'backbone' is given twice"),
        ("backbone: {name: net, depth: 3, depth: 4}", "bad.yaml, line 1: 'depth' is given twice"),
        ("backbone: [net\nfuser: x", "bad.yaml, line 2: "),
        ("", "bad.yaml: a recipe is a YAML mapping such as 'backbone: swin', but it is empty"),
        ("- net", "bad.yaml: a recipe is a YAML mapping"),
        ("backbones: net", "recipe bad has an unknown key 'backbones'; did you mean 'backbone'?"),
        ("1: net", "recipe bad has an unknown key '1'; a recipe takes data, backbone"),
        ("backbone: net\nfuser: plain", "the recipe needs 'data' (Dataset)"),
        (
            "data: pictures\nfuser: plain\nbackbone: {name: net, 3: 4}",
            "backbone: net has no argument 3 (it takes depth,",
        ),
        ("backbone: {depth: 3}", "backbone: expected a backbone such as resnet"),
        ("backbone: {name: net, class_path: tiny_parts.Net}", "backbone: expected a backbone such as resnet"),
        ("backbone: !!python/object/apply:os.system [ls]", "bad.yaml, line 1: could not determine a constructor"),
    ],
)
def test_a_bad_file_is_answered_with_the_line(recipe, text, message):
    Path("bad.yaml").write_text(text)

    assert message in error("bad.yaml")


def test_a_recipe_that_is_nowhere(recipe):
    assert "nowhere.yaml: no such recipe file (adcore brings: " in error("nowhere.yaml")
    Path("latin.yaml").write_bytes("data: ü".encode("latin-1"))
    assert "latin.yaml: not a text file in UTF-8" in error("latin.yaml")


def test_a_run_folder_is_a_recipe_with_its_own_name(recipe):
    Path("runs/first").mkdir(parents=True)
    Path("runs/first/recipe.yaml").write_text(parse(recipe).dump())

    assert parse("runs/first").name == parse("runs/first/recipe.yaml").name == "first"
    assert parse("runs/first").dump() == parse(recipe).dump()


@pytest.mark.parametrize("overrides", [["--backbone", "nets"], ["--backbon", "net"], ["--synthesizers+=strips"]])
def test_a_typo_is_found_without_importing_torch(recipe, site, overrides):
    code = f"""
import sys
from adcore.errors import UserError
from adcore.recipe import parse
try:
    parse("tiny.yaml", {overrides!r})
except UserError:
    assert not {{"torch", "numpy", "jsonargparse", "tiny_parts"}} & sys.modules.keys()
    print("found")
"""
    run = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(site)}, capture_output=True, text=True)

    assert run.stdout == "found\n", run.stderr
