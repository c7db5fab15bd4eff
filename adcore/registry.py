"""Which components are installed: entry points in, `Entry` records out, a class only when one is needed.

Listing and finding read the metadata of installed distributions and import nothing. Our own components are found
exactly like a stranger's.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from adcore import __version__
from adcore.errors import UserError
from adcore.suggestions import did_you_mean

if TYPE_CHECKING:
    from adcore.interfaces import Component

BASES = {
    "backbone": "Backbone",
    "head": "Head",
    "clusterer": "Clusterer",
    "matcher": "ReferenceMatcher",
    "fuser": "Fuser",
    "dataset": "Dataset",
    "synthesizer": "Synthesizer",
    "observer": "Observer",
}
"""The base class in `adcore.interfaces` of each kind. Kind ``k`` has the entry-point group ``adcore.k``."""

KINDS = tuple(BASES)


@dataclass(frozen=True)
class Entry:
    """One installed component, as its distribution declares it.

    Attributes:
        kind: one of `KINDS`.
        name: what recipes call it.
        target: ``module:Class``.
        dist: the distribution that brings it.
        version: of that distribution.
        requires: the adcore versions it was made for, from its own ``Requires-Dist``, such as ``>=0.1,<0.2``.
        licence: of that distribution, as its metadata states it.
    """

    kind: str
    name: str
    target: str
    dist: str
    version: str
    requires: str = ""
    licence: str = ""

    @property
    def builtin(self) -> bool:
        """Whether adcore itself brings it."""
        return self.dist == "adcore"

    @property
    def class_path(self) -> str:
        """The class as resolved recipes write it."""
        return self.target.replace(":", ".")

    @property
    def unique_name(self) -> str:
        """A name that stays clear when another distribution claims the short one."""
        return f"{self.dist}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} of {self.dist} {self.version}"


def entries(kind: str | None = None) -> list[Entry]:
    """Every installed component, or those of one kind; built-in ones first, then by name."""
    return [entry for entry in _scan(tuple(sys.path)) if kind in (None, entry.kind)]


def find(kind: str, reference: str) -> Entry:
    """The component that a recipe names.

    Args:
        kind: what is looked for.
        reference: a name, ``distribution/name`` or the path of the class. A name that adcore brings means adcore's.

    Raises:
        UserError: no such component is installed, or several distributions claim the name.
    """
    known = entries(kind)
    for key in ("class_path", "unique_name", "name"):
        found = [entry for entry in known if getattr(entry, key) == reference]
        if len(found) == 1 or (found and (found[0].builtin or key == "class_path")):
            return found[0]
        if found:
            claims = " or ".join(entry.unique_name for entry in found)
            raise UserError(f"several distributions bring a {kind} {reference!r}: write {claims}")
    raise UserError(_unknown(kind, reference, known))


def load(entry: Entry) -> type[Component]:
    """Import a component's class.

    Raises:
        UserError: it was made for another adcore, cannot be imported, or is no usable class of its kind; the message
            names the distribution and the cause.
    """
    if reason := incompatible(entry):
        raise UserError(f"{entry} {reason}")
    module, _, attribute = entry.target.partition(":")
    try:
        loaded = functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
    except (Exception, SystemExit) as error:  # a plugin may fail in any way; it must not take adcore down
        raise UserError(f"{entry} cannot be imported: {_cause(error)}") from error
    base = getattr(importlib.import_module("adcore.interfaces"), BASES[entry.kind])
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise UserError(f"{entry} is no {entry.kind}: {entry.target} must subclass adcore.{base.__name__}")
    if inspect.isabstract(loaded):
        missing = ", ".join(sorted(loaded.__abstractmethods__))
        raise UserError(f"{entry} is incomplete: {entry.target} must implement {missing}")
    return loaded


def incompatible(entry: Entry) -> str | None:
    """Why a component does not fit this adcore, judged by its own metadata, or None."""
    if not entry.requires or entry.builtin:
        return None
    from packaging.specifiers import SpecifierSet

    if SpecifierSet(entry.requires).contains(__version__, prereleases=True):
        return None
    return f"needs adcore {entry.requires}, but this is adcore {__version__}: install a matching version"


def shadowed(entry: Entry) -> bool:
    """Whether the short name means another distribution's component, or none because several claim it."""
    rivals = [other for other in entries(entry.kind) if other.name == entry.name and other != entry]
    return not entry.builtin and bool(rivals)


def summary(entry: Entry) -> str:
    """First line of the class's docstring, read from its source without importing it; empty where that fails."""
    module, _, name = entry.target.partition(":")
    try:
        source = _source(module).read_text(encoding="utf-8")
    except (OSError, ImportError, AttributeError, TypeError, ValueError):
        return ""
    match = re.search(rf'^class {re.escape(name)}\b[^\n]*:\n\s+r?"""\s*([^\n]*?)\s*(?:"""|\n)', source, re.MULTILINE)
    return match[1] if match else ""


def _cause(error: BaseException) -> str:
    """An error in one line, with the place where it arose."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)[2:]  # behind load and import_module
    places = [f" ({frame.filename}, line {frame.lineno})" for frame in frames if not frame.filename.startswith("<")]
    return f"{type(error).__name__}: {error}{places[-1] if places else ''}"


def _source(module: str) -> Path:
    """File of a module. ``find_spec`` of a submodule would import its package, which may import anything."""
    package, *rest = module.split(".")
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ImportError(module)
    if not rest:
        return Path(str(spec.origin))
    path = Path(next(iter(spec.submodule_search_locations or ()))).joinpath(*rest)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@functools.lru_cache(maxsize=1)
def _scan(_path: tuple[str, ...]) -> list[Entry]:
    """Read all entry points; remembered for as long as the import path stays the same."""
    # An editable install beside a wheel lists everything twice: equal target and name is one component.
    found = {(entry.kind, entry.name, entry.target): entry for entry in reversed([*_read()])}
    return sorted(found.values(), key=lambda e: (KINDS.index(e.kind), not e.builtin, e.name, e.dist))


def _read() -> Iterator[Entry]:
    points = metadata.entry_points()  # one scan of all distributions serves the eight groups
    for kind in KINDS:
        for point in points.select(group=f"adcore.{kind}"):
            if point.dist is not None:
                yield Entry(kind, point.name, point.value.partition("[")[0].strip(), *_about(point.dist))


@functools.cache
def _about(dist: metadata.Distribution) -> tuple[str, str, str, str]:
    """Name, version, required adcore and licence of a distribution."""
    about = dist.metadata  # parsed anew at each access
    licence = next((str(about[key]) for key in ("License-Expression", "License") if key in about), "")
    requirements = [] if about["Name"] == "adcore" else about.get_all("Requires-Dist", [])
    return about["Name"], about["Version"], _required_adcore(requirements), licence.partition("\n")[0]


def _required_adcore(requirements: Iterable[str]) -> str:
    for line in requirements:
        if re.match(r"adcore\b(?![-.\w])", line, re.IGNORECASE):
            from packaging.requirements import InvalidRequirement, Requirement

            try:
                requirement = Requirement(line)
            except InvalidRequirement:
                continue
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                return str(requirement.specifier)
    return ""


def _unknown(kind: str, reference: str, known: list[Entry]) -> str:
    elsewhere = [entry.kind for entry in entries() if reference in (entry.name, entry.unique_name, entry.class_path)]
    installed = f"(installed: {_names(known)})"
    if elsewhere:
        return f"{reference!r} is a {elsewhere[0]}, no {kind} {installed}"
    hint = did_you_mean(reference, [name for entry in known for name in (entry.name, entry.unique_name)])
    if "." in reference:
        return f"{reference!r} is no installed {kind}, and a recipe can name nothing else {installed}{hint}"
    return f"no {kind} is called {reference!r} {installed}{hint}"


def _names(known: list[Entry]) -> str:
    return ", ".join(entry.unique_name if shadowed(entry) else entry.name for entry in known) or "none"
