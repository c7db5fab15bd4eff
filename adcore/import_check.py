"""Importing components to see whether they can be used, in a process of its own, which a component may take down."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from adcore.registry import Entry, load

_WORKER = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from adcore.import_check import work; work()"


def import_each(entries: Sequence[Entry]) -> dict[Entry, str]:
    """Import components in turn.

    Args:
        entries: the components.

    Returns:
        Why each of the broken ones cannot be used.
    """
    reasons: dict[Entry, str] = {}
    waiting = list(entries)
    while waiting:  # once, unless a component ends the process
        orders = json.dumps([dataclasses.asdict(entry) for entry in waiting])
        command = [sys.executable, "-c", _WORKER, json.dumps(sys.path)]
        worker = subprocess.run(command, input=orders, stdout=subprocess.PIPE, text=True)
        for line in worker.stdout.splitlines():
            entry, reason = waiting.pop(0), json.loads(line)
            if reason:
                reasons[entry] = reason
        if waiting:
            reasons[waiting.pop(0)] = f"cannot be imported: it ends the process ({_end(worker.returncode)})"
    return reasons


def work() -> None:
    """Import what stdin lists; answer one line of JSON for each on what was stdout, which is closed to components."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a KeyboardInterrupt from now on is a component's own
    entries = [Entry(**entry) for entry in json.load(sys.stdin)]
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for entry in entries:
        print(json.dumps(_reason(entry)), file=answers, flush=True)
    answers.close()
    os._exit(0)  # whatever a component left behind, such as threads, is not waited for


def _reason(entry: Entry) -> str | None:
    try:
        _use(entry)
    except KeyboardInterrupt as error:
        return f"cannot be imported: KeyboardInterrupt: {error}".removesuffix(": ")
    except Exception as error:
        return str(error).removeprefix(f"{entry} ")
    return None


def _use(entry: Entry) -> None:
    """What a run does with a component before it is constructed."""
    cls = load(entry)
    from adcore.interfaces import Observer
    from adcore.observing import check_hooks
    from adcore.signature import arguments

    arguments(cls)
    if issubclass(cls, Observer):
        check_hooks(cls)


def _end(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
