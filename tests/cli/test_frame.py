"""The command line as a whole: quick to start, exit codes, one line for each mistake."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from adcore import cli
from adcore.cli import main
from adcore.cli import run as run_command
from adcore.errors import AdcoreWarning


def fails(capsys, *arguments: str) -> str:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("adcore: error: ") and error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["plugins"],
        ["plugins", "--json"],
        ["run", "--help"],
        ["predict", "--help"],
        ["context", "--help"],
    ],
)
def test_quick_answers_import_nothing_heavy(arguments):
    code = f"""
import sys
from adcore.cli import main
try:
    main({arguments!r})
finally:
    heavy = {{"torch", "numpy", "timm", "jsonargparse", "PIL", "rich"}} & sys.modules.keys()
    assert not heavy, heavy
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert run.returncode == 0, run.stderr
    assert run.stdout


def test_the_module_runs_like_the_command():
    run = subprocess.run([sys.executable, "-m", "adcore", "plugin"], capture_output=True, text=True)

    assert run.returncode == 2
    assert run.stderr.startswith("adcore: error: no command 'plugin'")
    assert run.stderr.endswith("did you mean 'plugins'?\n")


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_threads_wait_asleep_unless_the_user_says_how(given, spins):
    code = "import os; from adcore.cli import main; main(['--version']); print(os.environ.get('GOMP_SPINCOUNT'))"
    others = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=others | given)

    assert run.stdout.split()[-1] == str(spins)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_the_listed_help_is_the_first_line_of_the_commands_module(command):
    module = cli._module(command)

    assert (module.__doc__ or "").splitlines()[0] == cli.COMMANDS[command]
    assert callable(module.add_arguments) and callable(module.run)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "unified", "--resum"], "unknown option --resum; did you mean '--resume'?"),
        (["run", "unified", "--backbon=resnet"], "unknown option --backbon; did you mean '--backbone'?"),
        (["run", "unifed"], "unifed: no such recipe file (adcore brings: "),
        (["run", "unifed"], "did you mean 'unified'?"),
        (["run", "unified", "--backbone", "resnt"], "backbone: no backbone is called 'resnt'"),
        (["run"], "the following arguments are required: RECIPE; see adcore run --help"),
        (["check", "unified", "more"], "unexpected more; see adcore check --help"),
        (["plugins", "--jsn"], "unexpected --jsn; did you mean '--json'?"),
        (["plugins", "kmean"], "no component is called 'kmean'; did you mean 'kmeans'?"),
        (["--verson"], "unexpected --verson; did you mean '--version'?"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(capsys, arguments, message):
    assert message in fails(capsys, *arguments)


def test_no_command_prints_the_help(capsys):
    assert main([]) == 0
    assert "commands:" in capsys.readouterr().out


def during(monkeypatch, act):
    monkeypatch.setattr("adcore.cli.plugins.run", act)
    return main(["plugins"])


def test_an_interruption_is_130_and_a_bug_is_1_with_its_traceback(monkeypatch, capsys):
    def interrupt(args):
        raise KeyboardInterrupt

    def bug(args):
        raise ZeroDivisionError("by zero")

    assert during(monkeypatch, interrupt) == 130
    assert capsys.readouterr().err == ""
    assert during(monkeypatch, bug) == 1
    error = capsys.readouterr().err
    assert "Traceback" in error and "ZeroDivisionError: by zero" in error and "this is a bug" in error.splitlines()[-1]


def test_a_warning_of_ours_is_one_line(monkeypatch, capsys):
    assert during(monkeypatch, lambda args: warnings.warn("few normals", AdcoreWarning, stacklevel=2) or 0) == 0
    assert capsys.readouterr().err == "adcore: warning: few normals\n"


def test_a_reader_that_leaves_early_sees_no_traceback():
    command = f"{sys.executable} -m adcore plugins | true"
    for _ in range(3):
        assert subprocess.run(command, shell=True, capture_output=True, text=True).stderr == ""


class FakeRecipe:
    name = "tiny"

    def __init__(self):
        self.ran = []

    def dump(self):
        return "data: demo\n"

    def build(self):
        return self

    def run(self, out, recipe, resume):
        self.ran.append((out, recipe, resume))
        out.mkdir(parents=True, exist_ok=True)
        (out / "recipe.yaml").write_text(recipe)
        (out / "metrics.json").write_text("{}")
        return {}


@pytest.fixture
def recipe(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    fake, asked = FakeRecipe(), []
    monkeypatch.setattr("adcore.recipe.parse", lambda recipe, overrides: asked.append((recipe, overrides)) or fake)
    fake.asked = asked
    return fake


def test_run_separates_its_options_from_changes_to_the_recipe(recipe):
    arguments = [
        "run",
        "--backbone",
        "resnet",
        "r.yaml",
        "--out",
        "here",
        "--head=null",
        "--smoothing",
        "-1",
        "--resume",
    ]

    assert main(arguments) == 0
    assert recipe.asked == [("r.yaml", ["--backbone=resnet", "--head=null", "--smoothing=-1"])]
    assert recipe.ran == [(Path("here"), "data: demo\n", True)]


def test_run_prints_the_resolved_recipe(recipe, capsys):
    assert main(["run", "r.yaml", "--print_config"]) == 0
    assert capsys.readouterr().out == "data: demo\n"
    assert not recipe.ran


def test_runs_never_share_a_folder(recipe, capsys):
    for _ in range(3):
        assert main(["run", "r.yaml"]) == 0

    assert [out for out, *_ in recipe.ran] == [Path("runs/tiny"), Path("runs/tiny-2"), Path("runs/tiny-3")]
    assert "runs/tiny-2 holds an earlier run; this one goes to runs/tiny-3" in capsys.readouterr().err


def test_an_interrupted_run_says_how_to_continue_and_continues_where_it_was(recipe, monkeypatch, capsys):
    def interrupt(out, recipe, resume):
        out.mkdir()
        (out / "recipe.yaml").write_text(recipe)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(recipe, "run", interrupt, raising=False)
        assert main(["run", "r.yaml", "--out", "mine"]) == 130
    assert "continue with: adcore run mine --resume" in capsys.readouterr().err
    assert main(["run", "mine", "--resume"]) == 0
    assert recipe.ran == [(Path("mine"), "data: demo\n", True)]


def test_resume_takes_the_latest_unfinished_run(recipe):
    assert run_command.run_folder(Path("runs"), "tiny", resume=True) == Path("runs/tiny")
    for name in ("tiny", "tiny-2", "tiny-3"):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "recipe.yaml").write_text("")
    assert run_command.run_folder(Path("runs"), "tiny", resume=True) == Path("runs/tiny-3")
    Path("runs/tiny-3/metrics.json").write_text("{}")
    assert run_command.run_folder(Path("runs"), "tiny", resume=True) == Path("runs/tiny-2")
