"""What tests share: tiny components, and where real data is, if it is there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

collect_ignore = ["example_plugin"]  # a distribution of its own: test_example_plugin.py installs it and runs its tests
SHARED = Path(__file__).parents[1].parent / "shared"


@pytest.fixture(autouse=True)
def _few_threads():
    """Tests run side by side on few cores."""
    torch.set_num_threads(1)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def write_distribution() -> Callable[..., Path]:
    """Writes version 1.5 of a distribution as an installer would: metadata, entry points and modules."""

    def write(site: Path, dist: str, points: str, requires: str = "", **modules: str) -> Path:
        info = site / f"{dist.replace('-', '_')}-1.5.dist-info"
        info.mkdir(parents=True)
        requirement = f"Requires-Dist: {requires}\n" if requires else ""
        info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.5\n{requirement}")
        info.joinpath("entry_points.txt").write_text(points)
        for module, source in modules.items():
            site.joinpath(f"{module}.py").write_text(source)
        return site

    return write


@pytest.fixture(scope="session")
def resnet18_weights() -> Path:
    path = SHARED / "weights" / "resnet18.tv_in1k_l123.safetensors"
    if not path.exists():
        pytest.skip("the shared ImageNet weights are not on this machine")
    return path


@pytest.fixture(scope="session")
def bottle() -> Path:
    path = SHARED / "data" / "bottle"
    if not path.exists():
        pytest.skip("the shared bottle images are not on this machine")
    return path


sys.path.insert(0, str(Path(__file__).parent))  # for `import tiny`, which tests share


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A finished run of `tiny.UNIFIED`, by the command line. Shared: read it, do not write to it."""
    from tiny import UNIFIED, write_recipe

    from adcore.cli import main

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("finished")
    content = UNIFIED | {"observers": ["progress", "tensorboard", "report"]}
    assert main(["run", write_recipe(folder / "tiny.yaml", content), "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture(scope="session")
def parts(tmp_path_factory) -> Path:
    """A tiny category on disk. Shared: read it, do not write to it."""
    from tiny import write_set

    return write_set(tmp_path_factory.mktemp("data") / "part")
