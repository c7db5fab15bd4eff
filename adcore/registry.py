"""Which components are installed: entry points in, `Entry` records out, a class only when one is needed.

Listing and finding read the metadata of installed distributions and import nothing. Our own components are found
exactly like a stranger's.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from adcore import __version__
from adcore.errors import UserError
from adcore.source import at, malformed, missing
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
    return [entry for entry in _scan(tuple(sys.path))[0] if kind in (None, entry.kind)]


def oddities() -> list[str]:
    """What installed distributions say of components that cannot be understood; a line each."""
    return _scan(tuple(sys.path))[1]


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
    """Import a component's class. What it prints meanwhile goes to stderr.

    Raises:
        UserError: it was made for another adcore, cannot be imported, or is no usable class of its kind; the message
            names the distribution and the cause.
    """
    if reason := incompatible(entry) or malformed(entry.target):
        raise UserError(f"{entry} {reason}")
    name, _, attribute = entry.target.partition(":")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            module = importlib.import_module(name)
            loaded = functools.reduce(getattr, attribute.split("."), module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may fail in any way; it must not take adcore down
        raise UserError(f"{entry} {_cause(error, entry)}") from error
    base = getattr(importlib.import_module("adcore.interfaces"), BASES[entry.kind])
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise UserError(f"{entry} is no {entry.kind}: {entry.target} must subclass adcore.{base.__name__}")
    if inspect.isabstract(loaded):
        abstract = ", ".join(sorted(loaded.__abstractmethods__))
        raise UserError(f"{entry} is incomplete: {entry.target} must implement {abstract}")
    return loaded


def incompatible(entry: Entry) -> str | None:
    """Why a component does not fit this adcore, judged by its own metadata, or None."""
    if not entry.requires or entry.builtin:
        return None
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    with contextlib.suppress(InvalidSpecifier):  # who can tell?
        if not SpecifierSet(entry.requires).contains(__version__, prereleases=True):
            return f"needs adcore {entry.requires}, but this is adcore {__version__}: install a matching version"
    return None


def rival(entry: Entry) -> Entry | None:
    """A component for which the short name of this one stands, or which claims it too; None where there is none."""
    others = (other for other in entries(entry.kind) if other.name == entry.name and other != entry)
    return None if entry.builtin else next(others, None)


def recipe_name(entry: Entry) -> str:
    """What a recipe has to write to mean this component."""
    return entry.unique_name if rival(entry) else entry.name


def _cause(error: BaseException, entry: Entry) -> str:
    """Why a component cannot be had, in one line, with the place where that arose."""
    import traceback

    name, _, attribute = entry.target.partition(":")
    if isinstance(error, AttributeError) and error.obj is sys.modules.get(name):
        return missing(attribute, getattr(error.obj, "__file__", name))
    if isinstance(error, SyntaxError):
        return f"cannot be imported: {at(error, error.filename, error.lineno)}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    frame = frames[-1] if len(frames) > 2 else None  # behind load and import_module
    return f"cannot be imported: {at(error, frame and frame.filename, frame and frame.lineno)}"


@functools.lru_cache(maxsize=1)
def _scan(_path: tuple[str, ...]) -> tuple[list[Entry], list[str]]:
    """Read all entry points, and what is odd; remembered for as long as the import path stays the same."""
    found: dict[tuple[str, str, str], Entry] = {}
    odd = []
    for dist in metadata.distributions():
        try:
            points = dist.read_text("entry_points.txt") or ""
            if "[adcore." in points:  # most have none: their metadata is not parsed
                for entry in _entries(dist, points):
                    if entry.kind in BASES:  # an editable install beside a wheel is one component
                        found.setdefault((entry.kind, entry.name, entry.target), entry)
                    else:
                        hint = did_you_mean(entry.kind, KINDS)
                        odd.append(f"{entry}: its entry-point group adcore.{entry.kind} stands for no kind{hint}")
        except Exception as error:  # one damaged installation must not hide the others
            folder = getattr(dist, "_path", "a distribution")
            odd.append(f"{folder} cannot be read ({type(error).__name__}: {error}); install it again")
    return sorted(found.values(), key=lambda e: (KINDS.index(e.kind), not e.builtin, e.name, e.dist)), odd


def _entries(dist: metadata.Distribution, points: str) -> Iterator[Entry]:
    about = dist.metadata  # parsed anew at each access
    if not (about["Name"] and about["Version"]):
        raise ValueError("no name or no version")
    if metadata.distribution(about["Name"]).read_text("entry_points.txt") != points:
        return  # another version comes first on the import path
    requirements = [] if about["Name"] == "adcore" else about.get_all("Requires-Dist", [])
    details = about["Name"], about["Version"], _required_adcore(requirements), _licence(about)
    for point in dist.entry_points:
        project, _, kind = point.group.partition(".")
        if project == "adcore":
            yield Entry(kind, point.name, point.value.partition("[")[0].strip(), *details)


def _licence(about: metadata.PackageMetadata) -> str:
    stated = [str(about[key]).partition("\n")[0] for key in ("License-Expression", "License") if key in about]
    classifiers = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier", []) if line.startswith("License")]
    return next((licence for licence in (*stated, *classifiers) if licence not in ("", "UNKNOWN")), "")


def _required_adcore(requirements: Iterable[str]) -> str:
    """The adcore versions that a distribution asks for, without those of its extras."""
    asked = []
    for line in requirements:
        if re.match(r"adcore\b(?![-.\w])", line, re.IGNORECASE):
            if plain := re.fullmatch(r"adcore *\(?([<>=!~][^;()]*)?\)?", line, re.IGNORECASE):
                asked.append(plain[1] or "")  # as nearly all are written; packaging takes long to import
                continue
            from packaging.requirements import Requirement

            with contextlib.suppress(ValueError):  # a requirement that nobody can read
                requirement = Requirement(line)
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                    asked.append(str(requirement.specifier))
    return ",".join(filter(None, asked))


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
    return ", ".join(map(recipe_name, known)) or "none"
