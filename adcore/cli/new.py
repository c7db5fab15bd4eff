"""Write a component of your own: a distribution that works, ready to be changed.

It is a folder of four files: the component, its test, pyproject.toml and README.md. Nothing in adcore has to change.
"""

from __future__ import annotations

import argparse
import importlib.util
import keyword
import os
import re
import shlex
import shutil
import sys
from importlib import resources
from pathlib import Path
from string import Template

from adcore import __version__, registry
from adcore.cli import OK
from adcore.errors import UserError
from adcore.registry import BASES, KINDS
from adcore.suggestions import did_you_mean

OPTIONS = {"dataset": "--data {}", "synthesizer": "--synthesizers+={}", "observer": "--observers+={}"}
"""How a component is put into a recipe on the command line, where that is not ``--KIND NAME``."""

FIRST_LOOK = "--context.shots 2 --training.steps 2"
FIRST_DATA = "--data.categories '[fabric]'"
"""What makes a run of the unified recipe a matter of seconds: few references, little training, one category."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("kind", metavar="KIND", help=f"what it is: {', '.join(KINDS)}")
    parser.add_argument("name", metavar="NAME", help="what recipes call it, such as spectral or my-net")
    parser.add_argument("--out", type=Path, metavar="DIR", help="new or empty folder; ./adcore-NAME by default")


def run(args: argparse.Namespace) -> int:
    """Write the distribution, and print what to type next.

    Raises:
        UserError: no such kind, a name that cannot be had, or a folder that cannot be written.
    """
    kind, name = args.kind, args.name
    if kind not in KINDS:
        raise UserError(f"there is no kind {kind!r} (there are {', '.join(KINDS)}){did_you_mean(kind, KINDS)}")
    _check_name(kind, name)
    folder: Path = args.out or Path(distribution_name(name))
    files = distribution(kind, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"{folder} is not empty, and nothing is overwritten: name a new folder with --out")
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot write there: {error.strerror or error}") from error
    print(f"{folder} holds {_a(kind)} that works: put your method into {module_name(name)}.py. Next:\n")
    print("\n".join(f"  {_program(command)}" for command in commands(kind, name, folder)))
    return OK


def distribution(kind: str, name: str) -> dict[str, str]:
    """The files of a distribution with one component, by name.

    Args:
        kind: of the component.
        name: of the component.
    """
    module, source = module_name(name), _packaged(f"{kind}.py")
    cls = re.sub(r"[-_]", "", name.title())
    if re.search(rf"\b{cls}\b", source) or keyword.iskeyword(cls):
        cls += BASES[kind]
    source = re.sub(r"\bTemplate\b", cls, source)
    values = {
        "kind": kind,
        "a_kind": _a(kind),
        "A_kind": _a(kind).capitalize(),
        "name": name,
        "dist": distribution_name(name),
        "module": module,
        "cls": cls,
        "base": BASES[kind],
        "requires": version_range(__version__),
        "commands": "\n".join(commands(kind, name)),
    }
    texts = {
        file: Template(_packaged(f"{template}.template")).substitute(values)
        for file, template in (
            ("pyproject.toml", "pyproject.toml"),
            ("README.md", "README.md"),
            (f"test_{module.removeprefix('adcore_')}.py", "test.py"),
        )
    }
    return {f"{module}.py": source, **texts}


def commands(kind: str, name: str, folder: Path | None = None) -> list[str]:
    """What to type next: install, test, run.

    Args:
        kind: of the component.
        name: of the component.
        folder: of its distribution; the current one by default.
    """
    place = "." if folder is None else str(folder) if folder.is_absolute() else f".{os.sep}{folder}"
    option = OPTIONS.get(kind, f"--{kind} {{}}").format(name)
    short = FIRST_LOOK if kind == "dataset" else f"{FIRST_DATA} {FIRST_LOOK}"
    return [
        f"pip install -e {shlex.quote(f'{place}[test]')}",
        "pytest" if folder is None else f"pytest {shlex.quote(str(folder))}",
        f"adcore run unified {option} {short}",
    ]


def distribution_name(name: str) -> str:
    """What the distribution of a component is called.

    >>> distribution_name("my_net")
    'adcore-my-net'
    """
    return f"adcore-{name.replace('_', '-')}"


def module_name(name: str) -> str:
    """The import name of a component's distribution.

    >>> module_name("my-net")
    'adcore_my_net'
    """
    return f"adcore_{name.replace('-', '_')}"


def version_range(version: str) -> str:
    """The versions of adcore that a component made with this one asks for: up to the next that may break it.

    >>> version_range("0.1.3"), version_range("2.4.0"), version_range("0.2.0.dev1")
    ('>=0.1,<0.2', '>=2.4,<3', '>=0.2.dev0,<0.3')
    """
    from packaging.version import Version

    parsed = Version(version)
    least = f"{parsed.major}.{parsed.minor}{'.dev0' if parsed.is_prerelease else ''}"
    return f">={least},<{parsed.major + 1 if parsed.major else f'0.{parsed.minor + 1}'}"


def _check_name(kind: str, name: str) -> None:
    """Refuse what recipes could not call a component by."""
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name):
        parts = re.findall(r"[a-z0-9]+", re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", name).lower())
        better = "-".join(parts).lstrip("0123456789-") or f"my-{kind}"
        raise UserError(f"{name!r} is no name: write lower-case letters, digits and - or _, such as {better}")
    if name in ("null", "true", "false", "yes", "no", "on", "off", "none"):
        raise UserError(f"{name!r} means something else in a recipe: choose another name, such as my-{kind}")
    other = f"{name}-2" if name.startswith("my-") else f"my-{name}"
    taken = [entry for entry in registry.entries(kind) if entry.name == name]
    if taken:
        wins = ", and it would be taken instead of yours" if taken[0].builtin else ""
        raise UserError(
            f"{taken[0].dist} brings {_a(kind)} {name!r} already{wins}: choose another name, such as {other}"
        )
    if importlib.util.find_spec(module_name(name)):
        raise UserError(f"a module {module_name(name)} is installed already: choose another name, such as {other}")


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _packaged(file: str) -> str:
    return (resources.files("adcore.scaffold") / file).read_text(encoding="utf-8")


def _program(command: str) -> str:
    """A command as it has to be typed here: with its path, unless this Python's programs are those that are found."""
    here = Path(sys.executable).parent
    found = shutil.which("adcore")
    if found and os.path.samefile(Path(found).parent, here):
        return command
    shown = here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here
    return f"{shlex.quote(str(shown))}{os.sep}{command}"
