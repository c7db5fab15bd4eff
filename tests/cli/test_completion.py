"""Shell completion: what stands next on a command line, in a real shell, told without importing a component."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from adcore import cli
from adcore.cli import candidates as asked
from adcore.cli.candidates import FILES, RECIPES, candidates
from adcore.cli.completion import SCRIPTS

SOURCE = '''
raise SystemExit("completion imports no component")

from adcore import Clusterer


class One(Clusterer):
    """All in one."""

    def __init__(self, size: int = 3, mode: Literal["fast", "slow"] = "fast", exact: bool = True):
        """One.

        Args:
            size: of the one.
            mode: how.
        """
'''

POINTS = "[adcore.clusterer]\nacme = acme_completed:One\nkmeans = acme_completed:One\n"


@pytest.fixture
def site(tmp_path, monkeypatch, write_distribution):
    """A distribution of two components, one of a taken name."""
    site = write_distribution(tmp_path / "site", "acme-ad", POINTS, acme_completed=SOURCE)
    monkeypatch.syspath_prepend(site)
    return site


def words(line: str) -> list[str]:
    """Candidates behind ``adcore`` and a line; a line that ends with a space asks for a new word."""
    typed = line.split(" ")
    return [word for word in candidates(typed) if word not in (FILES, RECIPES)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", list(cli.COMMANDS)),
        ("ru", ["run"]),
        ("--v", ["--version"]),
        ("nonsense ", []),
        ("run few", ["fewshot"]),
        ("run unif", ["unified", "unified_pretrained"]),
        ("run unified --resu", ["--resume"]),
        ("run --resume unified --resu", []),
        ("run unified --clus", ["--clusterer"]),
        ("run unified --clusterer ac", ["acme", "acme-ad/kmeans"]),
        ("run unified --clusterer=ac", ["--clusterer=acme", "--clusterer=acme-ad/kmeans"]),
        ("run unified --clusterer = ac", ["--clusterer=acme", "--clusterer=acme-ad/kmeans"]),  # as bash hands it over
        ("run unified --observers+=pro", ["--observers+=progress"]),
        ("run unified --clusterer nu", ["null"]),
        ("run unified --backbone nu", []),
        ("run unified --clusterer acme --clusterer.", ["--clusterer.size", "--clusterer.mode", "--clusterer.exact"]),
        ("run unified --clusterer=acme --clusterer.mode ", ["fast", "slow"]),
        ("run unified --clusterer acme --clusterer.exact=t", ["--clusterer.exact=true"]),
        ("run unified --clusterer.re", ["--clusterer.restarts"]),  # of the one that the recipe names
        ("run unified --training.ep", ["--training.epochs"]),
        ("run unified --training.precision bf", ["bf16-mixed"]),
        ("run unified --data ./images --data.ro", ["--data.root"]),
        ("run unified --head.chan", []),  # the backbone decides them
        ("run unified --nonsense.x ", []),
        ("check unified --matcher ano", ["anomalygpt"]),
        ("predict m i --contxt", []),
        ("predict m i --conte", ["--context"]),
        ("group m i --clusterer ac", ["acme", "acme-ad/kmeans"]),
        ("group m i --per im", ["image"]),
        ("context re", ["rename", "remove"]),
        ("context add m name --cal", ["--calibration"]),
        ("context list m --", ["--help", "--json"]),
        ("plugins clus", ["clusterer"]),
        ("plugins acm", ["acme", "acme-ad/kmeans"]),
        ("plugins clusterer/a", ["clusterer/agglomerative", "clusterer/acme", "clusterer/acme-ad/kmeans"]),
        ("plugins --js", ["--json"]),
        ("plugins acme acm", []),
        ("new clus", ["clusterer"]),
        ("completion ", ["bash", "zsh"]),
        ("completion --a", []),
        ("demo d --categories a b --si", ["--size"]),
    ],
)
def test_what_stands_next(site, line, expected):
    assert words(line) == expected
    assert "acme_completed" not in sys.modules


def test_candidates_come_with_their_help(site):
    assert candidates(["plugins", "acme"])["acme"] == "All in one."
    assert candidates(["run", "x", "--clusterer", "acme", "--clusterer.s"])["--clusterer.size"] == "of the one."
    assert candidates(["ru"])["run"] == cli.COMMANDS["run"]


def test_files_are_left_to_the_shell():
    assert RECIPES in candidates(["run", "re"])
    for line in ("run x --out ", "run x --data ./", "predict ", "predict model i", "run x --out=a", "demo "):
        assert FILES in candidates(line.split(" ")), line
    assert not candidates(["run", "x", "--clusterer", "./"])


def test_the_recipe_at_hand_decides_what_its_slots_take(site, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"clusterer": {"name": "acme", "size": 2}, "head": None}))

    assert words(f"run {file} --clusterer.s") == ["--clusterer.size"]
    assert words(f"run {file} --head.") == [] == words(f"run {tmp_path / 'gone.yaml'} --head.")
    assert words(f"run {file} --clusterer gmm --clusterer.si") == []


def test_contexts_are_those_of_the_model(finished):
    lines = ["plate_line_a", "plate_line_b"]
    assert words(f"predict {finished} image.png --context plate_line_") == lines
    for action in ("show", "extend", "rename", "remove", "merge"):
        new = " both" if action == "merge" else ""
        assert words(f"context {action} {finished}{new} pl") == lines
    assert not words(f"context add {finished} pl")


def test_arguments_that_are_left_out_are_those_that_others_decide():
    from adcore.parts import _LINKS

    assert set(asked.LINKED) == {name for links in _LINKS.values() for name in links}


def test_answers_import_nothing_heavy(site):
    code = """
import sys
from adcore.cli import main
main(["completion", "--answer"])
heavy = {"torch", "numpy", "timm", "jsonargparse", "PIL", "rich", "acme_completed"} & sys.modules.keys()
assert not heavy, heavy
"""
    for line in ("run unified --clusterer=", "run unified --clusterer.", "plugins ", "predict ", "--"):
        run = subprocess.run(
            [sys.executable, "-c", code], input=line.replace(" ", "\n") + "\n", capture_output=True, text=True
        )
        assert (run.returncode, run.stderr) == (0, ""), line
        assert run.stdout, line


CASES = {
    "adcore ''": list(cli.COMMANDS),
    "adcore run few": ["fewshot"],
    "adcore run unif": ["unified", "unified_pretrained"],
    "adcore run my": ["my recipe.yaml", "mydir"],
    "adcore run unified --clusterer ac": ["acme", "acme-ad/kmeans"],
    "adcore run unified --clusterer = ac": ["acme", "acme-ad/kmeans"],  # bash takes the word apart at "="
    "adcore run unified --clusterer =": ["acme", "acme-ad/kmeans"],
    "adcore run unified --clusterer acme --clusterer.s": ["--clusterer.size"],
    "adcore run unified --out mynotes": ["mynotes.txt"],
    "adcore plugins clusterer/acm": ["clusterer/acme", "clusterer/acme-ad/kmeans"],
    "adcore nonsense ''": [],
}


def test_a_real_bash_completes(site, tmp_path):
    (tmp_path / "mydir").mkdir()
    for name in ("my recipe.yaml", "mynotes.txt", "other.yaml"):
        (tmp_path / name).touch()
    script = f"""
export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH PYTHONPATH={shlex.quote(str(site))}
eval "$(adcore completion bash)"
complete -p adcore >&2
ask() {{
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _adcore adcore
    printf '%s|' "${{COMPREPLY[@]}}"; echo
}}
"""
    script += "".join(f"ask {line}\n" for line in CASES)
    run = subprocess.run(["bash", "--norc", "-u"], input=script, capture_output=True, text=True, cwd=tmp_path)
    answers = [sorted(filter(None, line.split("|"))) for line in run.stdout.splitlines()]

    assert run.stderr == "complete -F _adcore adcore\n"
    for (line, expected), answer in zip(CASES.items(), answers, strict=True):
        found = [word for word in answer if word in expected] if line.endswith(" =") else answer
        assert found == sorted(expected), line


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_is_valid(shell, capsys):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not on this machine")
    assert cli.main(["completion", shell]) == 0
    subprocess.run([shell, "-n"], input=capsys.readouterr().out, text=True, check=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fish"], "invalid choice: 'fish' (choose from 'bash', 'zsh'); see adcore completion --help"),
        ([], "no shell is named; write `adcore completion bash` or `adcore completion zsh`"),
    ],
)
def test_another_shell_is_one_clear_line(capsys, arguments, message):
    assert cli.main(["completion", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
