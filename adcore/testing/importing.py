"""What importing a distribution's modules changes in a process, found out in processes of its own."""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import subprocess
import sys
from collections.abc import Sequence

from adcore import registry
from adcore.registry import Entry
from adcore.testing.guards import changed, generators, seeded, settings

_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from adcore.testing import importing
print("\\n" + json.dumps(importing.probe(int(sys.argv[2]), sys.argv[3:])))
"""

Found = dict[str, tuple[list[str], dict[str, str]]]
"""By module the settings that importing it changed, and digests of the generators thereafter."""


def global_changes(entry: Entry) -> list[str]:
    """The global generators that importing a component's module seeds, and the settings that it changes."""
    module = _module(entry)
    one, two = _of_distribution(entry.dist, tuple(sys.path))
    if module not in one or module not in two:
        return []
    (changes, first), (_, second) = one[module], two[module]
    seeds = [name for name in first if first[name] == second[name]]  # although they were seeded differently before
    return changes + [f"the global generator of {name}" for name in seeds]


def probe(seed: int, modules: Sequence[str]) -> Found:
    """Seed the global generators and import a module, one after the other, and note what became of the settings."""
    found: Found = {}
    for module in modules:
        with seeded(seed, threads=2 + seed):
            before = settings()
            try:
                importlib.import_module(module)
            except (Exception, SystemExit):  # the check `importable` reports it
                continue
            digests = {name: hashlib.sha256(repr(state).encode()).hexdigest() for name, state in generators().items()}
            found[module] = changed(before, settings()), digests
    return found


@functools.cache
def _of_distribution(dist: str, path: tuple[str, ...]) -> list[Found]:
    """What two processes found that began with different seeds."""
    modules = dict.fromkeys(_module(entry) for entry in registry.entries() if entry.dist == dist)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(path), str(seed), *modules],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in (0, 1)
    ]
    found = []
    for process in processes:
        output, errors = process.communicate()
        if process.returncode:
            last = (errors.strip().splitlines() or ["no message"])[-1]
            raise RuntimeError(
                f"importing the modules of {dist} in a new Python ended with {process.returncode}: {last}"
            )
        found.append(json.loads(output.strip().splitlines()[-1]))
    return found


def _module(entry: Entry) -> str:
    return entry.target.partition(":")[0]
