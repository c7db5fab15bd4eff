"""The two walks through CONTRIBUTING.md, done as they stand there: its files written, its commands run."""

from __future__ import annotations

import doctest
import re
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox import Sandbox

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^( *)(?:<!-- (.+?) -->\n *)?```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MADE = ("__pycache__", ".*", "*.egg-info", "runs", "build", "dist", "shared")


def blocks(section: str) -> Iterator[tuple[str, str, str]]:
    """The fenced blocks of a section: what the comment before it says, its language, its text."""
    text = re.split(r"^## ", TEXT.partition(f"\n## {section}\n")[2], flags=re.MULTILINE)[0]
    for _, mark, language, block in BLOCK.findall(text):
        yield mark, language, textwrap.dedent(block)


def write(file: Path, block: str) -> None:
    file.write_text(block, encoding="utf-8")


def insert(file: Path, block: str) -> None:
    """Put the lines of a block behind its first one, which the file has."""
    first, rest = block.split("\n", 1)
    before, found, after = file.read_text(encoding="utf-8").partition(f"{first}\n")
    assert found, f"{file}: no line {first}"
    file.write_text(before + found + rest + after, encoding="utf-8")


def follow(section: str, folder: Path) -> int:
    """Do what a section says, and compare what it shows; returns how many steps had commands."""
    sandbox = Sandbox(folder.parent / "environment")
    steps, printed = 0, None
    for mark, language, block in blocks(section):
        what, _, file = mark.partition(": ")
        if what == "file":
            write(folder / file, block)
        elif what == "into":
            insert(folder / file, block)
        elif what == "run":
            printed = sandbox.run(block, folder)
            steps += 1
        else:
            assert language == "text" and printed is not None, f"not tried: {block}"
            same = doctest.OutputChecker().check_output(block, printed, SAME)
            assert same, f"CONTRIBUTING.md shows\n{block}\nbut there came\n{printed}"
            printed = None
    return steps


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of the working tree."""
    return Path(shutil.copytree(ROOT, tmp_path / "adcore", ignore=shutil.ignore_patterns(*MADE)))


def test_a_clusterer_is_added(checkout):
    assert follow("Add a clusterer", checkout) == 3
    assert (checkout / "runs" / "unified" / "metrics.json").exists()


def test_a_plugin_is_shipped(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    assert follow("Ship your own plugin", folder) == 4
    assert (folder / "runs" / "unified" / "metrics.json").exists()
