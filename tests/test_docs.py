import html
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from adcore import registry
from adcore.cli import COMMANDS
from adcore.errors import UserError
from adcore.keys import recipe_keys
from adcore.overrides import split
from adcore.parts import decided_by
from adcore.recipe import parse
from adcore.signature import arguments

ROOT = Path(__file__).parents[1]
NEEDED = ("mkdocs", "material", "mkdocstrings", "latex2mathml")
OWN = [entry for entry in registry.entries() if entry.builtin]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built with warnings as errors; page by page."""
    for module in NEEDED:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {page.relative_to(folder).as_posix(): page.read_text() for page in folder.rglob("*.html")}


@pytest.mark.parametrize("entry", OWN, ids=str)
def test_every_component_has_a_section_with_all_its_arguments(site, entry):
    section = site[f"reference/{entry.kind}.html"].partition(f'<h2 id="{entry.name}"')[2].partition("<h2")[0]
    text = letters(html.unescape(re.sub(r"<[^>]+>", "", section)))
    for name, argument in arguments(registry.load(entry)).items():
        assert f"<code>{name}</code>" in section
        assert letters(argument.doc) in text or decided_by(entry.kind, name)


def letters(text):
    return re.sub(r"[^a-z0-9]", "", text.lower())


def test_every_key_and_setting_of_a_recipe_is_explained(site):
    page = site["reference/recipe.html"]
    for key in recipe_keys():
        assert f"<code>{key}</code>" in page or f'id="{key}"' in page
    assert "<code>training.epochs</code>" in page


def test_every_command_has_its_help(site):
    for command in COMMANDS:
        assert f"usage: adcore {command}" in site["commands.html"]


def test_nothing_is_loaded_from_another_host(site):
    for name, page in site.items():
        loaded = re.findall(
            r"<(?:script|img|link|iframe|source)\b[^>]*?(?:src|href)=\"?((?:https?:)?//[^\s\">]+)", page
        )
        assert not loaded, f"{name} loads {loaded}"


def test_formulae_need_no_script(site):
    assert "<math" in site["methods/focal.html"]
    assert not any("arithmatex" in page for page in site.values())


def written_commands():
    """Every ``adcore run`` and ``adcore check`` in a code block of the docs, with the lines printed after it."""
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for block in re.findall(r"^```(?:bash|console)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            for line, printed in re.findall(
                r"^(?:\$ )?(adcore (?:run|check) .*)\n((?:(?!\$ |adcore (?:run|check) ).*\n)*)", block
            ):
                yield pytest.param(line, printed, id=f"{page.stem}: {line}"[:90])


@pytest.mark.parametrize(("line", "printed"), written_commands())
def test_recipes_and_changes_in_the_docs_are_valid_and_refused_as_printed(line, printed, tmp_path, monkeypatch):
    for folder in ("parts", "DATA"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    changes, (recipe, *_) = split(shlex.split(line, comments=True)[2:], ("--out", "--resume"))
    told = re.search(r"^adcore: error: (.*)", printed, re.MULTILINE | re.DOTALL)
    if told:
        with pytest.raises(UserError) as refused:
            parse(recipe, changes)
        assert str(refused.value) == " ".join(told[1].split())
    else:
        assert parse(recipe, changes).resolved
