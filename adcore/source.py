"""What the source text of a component says, read without importing it."""

from __future__ import annotations

import ast
import importlib.util
import re
import warnings
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder


@dataclass(frozen=True)
class Source:
    """A component as its source shows it.

    Attributes:
        summary: first line of the class's docstring; empty where none was found.
        fault: why it cannot be imported, or None where nothing speaks against it.
        node: the class, or None where it is not written out in the module.
        tree: the module, or None where there is no source to read.
    """

    summary: str = ""
    fault: str | None = None
    node: ast.ClassDef | None = None
    tree: ast.Module | None = None


@dataclass(frozen=True)
class SourceArgument:
    """An argument as the source declares it.

    Attributes:
        name: of the argument.
        doc: its description.
        choices: the values that it takes, where these are few.
        names: what its type hint is made of.
        optional: whether the type hint allows None.
    """

    name: str
    doc: str
    choices: tuple[str, ...]
    names: frozenset[str]
    optional: bool


def read(target: str) -> Source:
    """Read a component's source.

    Only what is certain is called a fault: a module that is not there, a syntax error, a class that is nowhere named.

    Args:
        target: ``module:Class``.
    """
    module, _, name = target.partition(":")
    if fault := malformed(target):
        return Source(fault=fault)
    try:
        spec = _spec(module)
        text = spec.loader.get_source(module) if spec.loader else None  # type: ignore[attr-defined]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text) if text is not None else None
    except ModuleNotFoundError as error:
        return Source(fault=f"cannot be imported: {error}")
    except SyntaxError as error:
        return Source(fault=f"cannot be imported: {at(error, str(spec.origin), error.lineno)}")
    except Exception:  # no such source, or one that only Python itself can read
        return Source()
    if text is None or tree is None:
        return Source()
    last = name.rpartition(".")[2]
    node = next((node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == last), None)
    if node is None and not re.search(rf"\b({re.escape(last)}|{_DYNAMIC})\b|import +\*", text):
        return Source(fault=missing(name, spec.origin), tree=tree)
    doc = (ast.get_docstring(node) or "") if node else ""
    return Source(doc.partition("\n")[0].strip(), None, node, tree)


def arguments(source: Source) -> dict[str, SourceArgument]:
    """The arguments of a class's ``__init__``, or the fields of a dataclass, as far as the module itself shows them."""
    node = source.node
    while node is not None:
        init = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        if init is not None:
            docs = documented(ast.get_docstring(init) or "") | documented(ast.get_docstring(node) or "")
            declared = [*init.args.args[1:], *init.args.kwonlyargs]
            return {arg.arg: _argument(arg.arg, arg.annotation, docs) for arg in declared}
        fields = [n for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
        if node.decorator_list and fields:
            docs = documented(ast.get_docstring(node) or "")
            names = [(field.target.id, field.annotation) for field in fields if isinstance(field.target, ast.Name)]
            return {name: _argument(name, annotation, docs) for name, annotation in names}
        node = _parent(node, source.tree)
    return {}


def documented(docstring: str, title: str = "Args") -> dict[str, str]:
    r"""The items that a section of a Google docstring describes.

    >>> documented("Cluster.\n\nArgs:\n    k: number of\n        clusters.\n    seed: of the draw.")
    {'k': 'number of clusters.', 'seed': 'of the draw.'}
    """
    items = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", _section(docstring, title), re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in items}


def section(docstring: str, title: str) -> str:
    """The text of a section of a Google docstring, such as ``Returns``, in one line; empty where there is none."""
    return " ".join(_section(docstring, title).split())


def _section(docstring: str, title: str) -> str:
    return (re.split(rf"^{title}:\n", docstring, maxsplit=1, flags=re.MULTILINE)[1:] or [""])[0].partition("\n\n")[0]


def malformed(target: str) -> str | None:
    """Why an entry point's target names no class, or None."""
    return None if re.fullmatch(r"[^:\s]+:[^:\s]+", target) else f"has the target {target!r}; write module:Class"


def missing(name: str, file: str | None) -> str:
    """A module without the class that an entry point names, in one line."""
    return f"has no class {name}: it is not in {file}"


def at(error: BaseException, file: str | None, line: int | None) -> str:
    """An error in one line, with its place."""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}{message and f': {message}'}{f' ({file}, line {line})' if file else ''}"


_DYNAMIC = "__getattr__|globals|exec|setattr|vars|modules|__path__"
"""Words with which a module may come to names that its text does not show."""


def _spec(module: str) -> ModuleSpec:
    """Where a module is. `importlib.util.find_spec` of a submodule would import its package, which may do anything."""
    package, *rest = module.split(".")
    spec = importlib.util.find_spec(package)
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            break
        package = f"{package}.{part}"
        parent, spec = spec, PathFinder.find_spec(package, spec.submodule_search_locations)
        if spec is None and "__path__" in (parent.loader.get_source(parent.name) or ""):  # type: ignore
            raise ValueError(f"{parent.name} changes where its modules are")
    if spec is None or spec.name != module:
        raise ModuleNotFoundError(f"there is no module {package if spec is None else module}")
    return spec


def _parent(node: ast.ClassDef, tree: ast.Module | None) -> ast.ClassDef | None:
    """The first base class that stands in the same module."""
    bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef)] if tree else []
    return next((n for n in classes if n.name in bases and n is not node), None)


def _argument(name: str, annotation: ast.expr | None, docs: dict[str, str]) -> SourceArgument:
    nodes = list(ast.walk(annotation)) if annotation else []
    names = frozenset(node.id for node in nodes if isinstance(node, ast.Name))
    constants = [node.value for node in nodes if isinstance(node, ast.Constant)]
    choices = [str(value) for value in constants if value is not None] * ("Literal" in names)
    choices += ["true", "false"] * ("bool" in names)
    return SourceArgument(name, docs.get(name, ""), tuple(choices), names, None in constants)
