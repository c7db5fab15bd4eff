"""Our own components keep their contracts: the call that a plugin's author makes, and the same for other settings."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tiny import write_set

from adcore import registry
from adcore.testing import checks, conformance, run_check

IMAGES = TemporaryDirectory()  # lives as long as the process
write_set(Path(IMAGES.name) / "part", sizes=((24, 16), (20, 32)))

test_conformance = conformance(
    "adcore",
    arguments={
        "backbone/concat": {
            "backbones": [
                {"name": "timm", "model": "test_resnet.r160_in1k", "weights": "none", "levels": levels}
                for levels in ([0, 2], [1, 2])
            ]
        },
        "backbone/swin": {"depths": [1, 1, 1], "width": 32, "window": 4},
        "backbone/timm": {"model": "test_resnet.r160_in1k"},
        "dataset/folder": {"root": IMAGES.name},
    },
)

VARIANTS = [
    ("backbone/timm", {"model": "test_vit.r160_in1k"}),
    ("head/focal", {"input": "relation"}),
    ("head/focal", {"input": "both", "symmetric": True, "samples": 20}),
    ("head/focal", {"contrast": "soft", "symmetric": True}),
    ("head/concat", {"levels": [[0], [1]], "width": 8, "dimension": 4}),
    ("head/concat", {"levels": [[0, 1], [1]], "symmetric": True}),
    ("matcher/anomalygpt", {"whiten": 0.05, "window": 0.2, "grid": 8}),
    ("matcher/anomalygpt", {"rotations": 4, "flips": True}),
    ("matcher/anomalygpt", {"own": 1.5, "levels": "coarse", "window": "auto"}),
    ("matcher/anomalygpt", {"foreground": True}),
    ("matcher/patchcore", {"own": 1.2, "window": 0.5, "projection": 4}),
    ("matcher/patchcore", {"levels": "coarse", "foreground": True, "rotations": "auto"}),
    ("matcher/mahalanobis", {"window": 0.5, "foreground": "auto"}),
    ("matcher/mutual", {"share": 0.5, "foreground": True}),
    ("fuser/rank", {"join": "max"}),
    ("fuser/mean", {"weights": {"reference": 3.0}}),
    ("dataset/demo", {"size": 32, "normals": 3, "categories": ["plate_line_a", "plate_line_b"]}),
    ("synthesizer/nsa", {"blending": "mixed"}),
    ("synthesizer/cutpaste", {"texture": "source"}),
    ("synthesizer/perlin", {"shape": "scratch", "fill": "flat"}),
]


@pytest.mark.parametrize(
    ("component", "arguments", "check"),
    [
        pytest.param(component, arguments, check, id=f"{component}:{check.name}")
        for component, arguments in VARIANTS
        for check in checks(component.partition("/")[0])
        if check.kind == component.partition("/")[0]
    ],
)
def test_other_settings(component, arguments, check):
    run_check(registry.find(*component.split("/")), check, arguments)
