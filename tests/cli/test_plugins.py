"""`adcore plugins`: what is installed, from where, in what state; and all about one component."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from adcore import cli

POINTS = """
[adcore.clusterer]
one = acme_one:One
kmeans = acme_one:One
[adcore.fuser]
one = acme_two:Two
[adcore.observer]
watch = acme_three:Watch
"""

ONE = '''
"""All in one; Source: One et al., 2024."""
from adcore import Clusterer

print("printed at import")

class One(Clusterer):
    """All in one.

    A longer story, told by Two et al. Source: Three et al. 2023, section 3.
    """

    def __init__(self, size: int = 3, depth: float | None = None):
        """One.

        Args:
            size: of the one.
        """

    def fit_predict(self, x): ...
'''

TWO = "import nothing_of_that_name\n"

THREE = """
from adcore import Observer

class Watch(Observer):
    def on_progress(self, done): ...
    def on_epoc_end(self): ...
"""


@pytest.fixture
def acme(tmp_path, monkeypatch, write_distribution):
    """A distribution of four components: a good one, one of a taken name, one import error, one misspelt hook."""
    modules = {"acme_one": ONE, "acme_two": TWO, "acme_three": THREE}
    monkeypatch.syspath_prepend(write_distribution(tmp_path, "acme-ad", POINTS, "adcore<99", **modules))
    for module in modules:
        monkeypatch.delitem(sys.modules, module, raising=False)
    return tmp_path


@pytest.fixture
def adcore(capsys):
    def do(*arguments, code=0):
        assert cli.main(arguments) == code
        return capsys.readouterr().out if code != 2 else capsys.readouterr().err

    return do


@pytest.fixture
def listed(adcore):
    """The records of a list, by kind and name."""
    return lambda *arguments, code=0: {
        f"{record['kind']}/{record['recipe_name']}": record
        for record in json.loads(adcore("plugins", "--json", *arguments, code=code))
    }


def test_the_list_says_what_is_installed_from_where_and_imports_nothing(acme, adcore):
    lines = adcore("plugins").splitlines()

    assert re.split("  +", lines[0]) == ["kind", "name", "distribution", "target", "state", "summary"]
    rows = [re.split("  +", line) for line in lines]
    assert ["clusterer", "one", "acme-ad 1.5", "acme_one:One", "found", "All in one."] in rows
    assert ["clusterer", "acme-ad/kmeans", "acme-ad 1.5", "acme_one:One", "taken", "All in one."] in rows
    assert ["fuser", "one", "acme-ad 1.5", "acme_two:Two", "broken"] in rows  # its text names no such class
    assert (
        "taken: clusterer 'kmeans' of acme-ad 1.5 shares its name: 'kmeans' means adcore's; write acme-ad/kmeans"
        in (lines)
    )
    assert lines[-1] == "Nothing was imported; `adcore plugins --check` imports each."
    assert not {"acme_one", "acme_two", "acme_three"} & sys.modules.keys()


def test_a_kind_is_listed_alone(acme, adcore):
    rows = adcore("plugins", "clusterer").splitlines()

    assert any("hdbscan" in row for row in rows) and any("acme_one:One" in row for row in rows)
    assert not any("resnet" in row or "acme_three" in row for row in rows)


def test_the_list_as_json(acme, listed):
    records = listed()

    one = records["clusterer/one"]
    assert (one["name"], one["dist"], one["version"], one["target"]) == ("one", "acme-ad", "1.5", "acme_one:One")
    assert (one["requires"], one["summary"], one["state"], one["problem"]) == ("<99", "All in one.", "found", None)
    assert records["clusterer/acme-ad/kmeans"]["state"] == "taken" and records["clusterer/kmeans"]["state"] == "found"
    assert listed("clusterer").keys() < records.keys()


def test_check_imports_each_and_says_what_is_broken(acme, listed):
    records = listed("--check", code=1)

    states = {name: record["state"] for name, record in records.items() if record["dist"] == "acme-ad"}
    assert states == {
        "clusterer/one": "ok",
        "clusterer/acme-ad/kmeans": "taken",
        "fuser/one": "broken",
        "observer/watch": "broken",
    }
    assert "No module named 'nothing_of_that_name' (" in records["fuser/one"]["problem"]
    assert "acme_two.py, line 1)" in records["fuser/one"]["problem"]
    assert "no hook 'on_epoc_end'; did you mean 'on_epoch_end'?" in records["observer/watch"]["problem"]
    assert {record["state"] for record in records.values() if record["dist"] == "adcore"} == {"ok"}


def test_one_component_is_checked_alone(acme, adcore):
    assert "  ok  " in adcore("plugins", "--check", "clusterer/one")
    problem = "ModuleNotFoundError: No module named 'nothing_of_that_name'"
    assert f"broken: fuser 'one' of acme-ad 1.5 cannot be imported: {problem}" in adcore(
        "plugins", "--check", "fuser/one", code=1
    )


def test_a_component_that_ends_or_interrupts_the_process_is_broken_and_the_others_are_checked(
    tmp_path, monkeypatch, write_distribution, listed
):
    points = "[adcore.fuser]\n" + "".join(f"{name} = acme_{name}:X\n" for name in ("a", "b", "c", "d"))
    good = (
        "import os, adcore\nos.write(1, b'from C')\nclass X(adcore.Fuser):\n    fuse = lambda self, maps, state: maps\n"
    )
    modules = {
        "acme_a": "import os; os._exit(0)\nclass X: ...",
        "acme_b": "raise KeyboardInterrupt('stop')\nclass X: ...",
        "acme_c": "import os; os.kill(os.getpid(), 9)\nclass X: ...",
        "acme_d": good,
    }
    monkeypatch.syspath_prepend(write_distribution(tmp_path, "acme-ad", points, **modules))
    records = listed("--check", "fuser", code=1)

    assert "it ends the process (exit code 0)" in records["fuser/a"]["problem"]
    assert "KeyboardInterrupt: stop" in records["fuser/b"]["problem"]
    assert "it ends the process (SIGKILL)" in records["fuser/c"]["problem"]
    assert records["fuser/d"]["state"] == records["fuser/mean"]["state"] == "ok"


def test_one_component_is_explained(acme, adcore, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    text = adcore("plugins", "clusterer/one")

    assert text.startswith("clusterer one of acme-ad 1.5\n")
    assert f"file:   {acme / 'acme_one.py'}" in text and "class:  acme_one:One" in text
    assert "source: Three et al. 2023, section 3\n" in text and "A longer story, told by" in text
    assert "  size: int = 3\n      of the one." in text and "  depth: float or null = null" in text
    assert "  fit_predict(x): Cluster points.\n      x: float32 [N, D]" in text and "returns: int [N] labels" in text


def test_one_component_is_explained_as_json_with_nothing_else_on_stdout(acme, adcore):
    about = json.loads(adcore("plugins", "clusterer/one", "--json"))

    assert about["arguments"][0] == {
        "name": "size",
        "type": "int",
        "required": False,
        "default": 3,
        "decided_by": None,
        "doc": "of the one.",
    }
    assert about["methods"][0]["call"] == "fit_predict(x)" and "[N, D]" in about["methods"][0]["takes"]["x"]


def test_our_own_components_are_explained_with_licence_links_and_hooks(adcore):
    head = adcore("plugins", "focal")
    assert head.startswith("head focal of adcore ") and ", licence Apache-2.0\n" in head
    assert "  channels: tuple[int, ...], from the backbone\n" in head and "bool [B, h, w]" in head
    observer = adcore("plugins", "progress")
    assert "listens to:\n" in observer and "  on_progress(stage, done, total): " in observer
    assert "on_scores" not in observer


def test_a_broken_component_says_why_in_one_line(acme, adcore):
    error = adcore("plugins", "fuser/one", code=2)

    assert error.startswith("adcore: error: fuser 'one' of acme-ad 1.5 cannot be imported: ModuleNotFoundError")
    assert error.count("\n") == 1


def test_a_name_of_two_kinds_has_to_be_written_with_its_kind(acme, adcore):
    assert "'one' is ambiguous: write clusterer/acme-ad/one or fuser/acme-ad/one" in adcore("plugins", "one", code=2)
    adcore("plugins", "clusterer/acme-ad/one")


def test_a_misspelt_kind_gets_a_suggestion(adcore):
    assert "no component is called 'clusterers'; did you mean 'clusterer'?" in adcore("plugins", "clusterers", code=2)


def test_what_no_one_can_understand_is_noted(tmp_path, monkeypatch, write_distribution, adcore, capsys):
    site = write_distribution(tmp_path, "acme-ad", "[adcore.clusterers]\none = acme_one:One\n")
    write_distribution(tmp_path, "acme-damaged", "[adcore.fuser]\nno equals sign\n")
    monkeypatch.syspath_prepend(site)

    lines = adcore("plugins").splitlines()
    group = "its entry-point group adcore.clusterers stands for no kind; did you mean 'clusterer'?"
    assert f"note: clusterers 'one' of acme-ad 1.5: {group}" in lines
    assert any("acme_damaged-1.5.dist-info cannot be read" in line and "install it again" in line for line in lines)
    json.loads(adcore("plugins", "--json"))


@pytest.mark.parametrize(("columns", "targets"), [(80, False), (160, True)])
def test_the_list_fits_a_terminal_and_is_whole_in_a_pipe(columns, targets):
    command = [sys.executable, "-m", "adcore", "plugins"]
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    shown = subprocess.Popen(command, stdout=theirs, env=environment)
    os.close(theirs)
    text = b""
    while True:
        try:
            text += os.read(ours, 4096)
        except OSError:  # the end
            break
    os.close(ours)
    lines = text.decode().replace("\r", "").splitlines()
    piped = subprocess.run(command, capture_output=True, text=True, env=environment).stdout.splitlines()

    assert shown.wait() == 0
    assert max(map(len, lines)) <= columns
    assert any("adcore_plugins.kmeans:KMeans" in line for line in lines) is targets
    assert any("adcore_plugins.kmeans:KMeans" in line for line in piped)
    assert not any(line.endswith("...") for line in piped) and any(line.endswith("...") for line in lines)
