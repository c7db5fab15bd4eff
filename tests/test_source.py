"""What the text of a component tells without importing it: only what is certain is called a fault."""

import sys
import zipfile

import pytest

from adcore.source import arguments, read

BOMB = "raise SystemExit\n"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module that must not be imported."""

    def write(source, name="acme_text"):
        (tmp_path / f"{name}.py").write_text(BOMB + source, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        return f"{name}:Good"

    yield write
    assert not [name for name in sys.modules if name.startswith("acme_text")]


@pytest.mark.parametrize(
    ("source", "summary"),
    [
        ('class Good(Base):\n    """One line."""', "One line."),
        ("class Good(\n    Base,\n):\n    'Single quotes.'", "Single quotes."),
        ('class Good(Base):\n    r"""\n    Below the quotes.\n\n    More.\n    """', "Below the quotes."),
        ('if True:\n    class Good:\n        """Indented."""', "Indented."),
        ("class Good: ...", ""),
        ('"""Of the module."""\nfrom elsewhere import Good', ""),
    ],
)
def test_the_summary_is_the_first_line_of_the_classs_docstring(module, source, summary):
    told = read(module(source))

    assert (told.summary, told.fault) == (summary, None)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("class Good(:\n    pass", r"SyntaxError: invalid syntax ({folder}/acme_text.py, line 2)"),
        ("class Goods: ...", "has no class Good: it is not in {folder}/acme_text.py"),
    ],
)
def test_a_certain_fault_is_told_with_its_place(module, tmp_path, source, fault):
    assert fault.format(folder=tmp_path) in read(module(source)).fault


@pytest.mark.parametrize(
    "source",
    [
        "from elsewhere import Good",
        "from elsewhere import *",
        "Good = make()",
        "def __getattr__(name): ...",
        "globals()['Go' + 'od'] = 1",
        "x = '\\d'\nclass Good: ...",
    ],
)
def test_what_may_well_work_is_no_fault(module, source):
    assert read(module(source)).fault is None


def test_a_package_is_read_without_importing_it(tmp_path, monkeypatch):
    package = tmp_path / "acme_text_pack"
    package.mkdir()
    (package / "__init__.py").write_text(BOMB)
    (package / "deep.py").write_text('class Deep(Base):\n    """Deep down."""\n')
    monkeypatch.syspath_prepend(tmp_path)

    assert read("acme_text_pack.deep:Deep").summary == "Deep down."
    assert "there is no module acme_text_pack.flat" in read("acme_text_pack.flat:Deep").fault
    assert "there is no module acme_text_pack.deep.er" in read("acme_text_pack.deep.er:Deep").fault
    (package / "__init__.py").write_text(BOMB + "__path__.append('elsewhere')\n")
    assert read("acme_text_pack.flat:Deep").fault is None  # it may be elsewhere
    assert "acme_text_pack" not in sys.modules


def test_a_module_that_is_not_there_or_has_no_text():
    assert "there is no module acme_text_gone" in read("acme_text_gone:Good").fault
    assert "there is no module acme_text_gone" in read("acme_text_gone.deeper:Good").fault
    assert read("_struct:Good").fault is None  # compiled: only an import can tell
    assert "write module:Class" in read("acme_text").fault


def test_a_zipped_module_is_read(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "acme.zip", "w") as archive:
        archive.writestr("acme_text_zip.py", 'class Good:\n    """From a zip."""\n')
    monkeypatch.syspath_prepend(tmp_path / "acme.zip")

    assert read("acme_text_zip:Good").summary == "From a zip."


def test_arguments_are_read_with_their_choices_also_from_a_parent_and_a_dataclass(module):
    source = '''
class Base:
    def __init__(self, k: int = 2, *, mode: Literal["a", "b"] | None = None, loud: bool = False):
        """Base.

        Args:
            k: number of
                clusters.
            mode: how.
        """

class Good(Base):
    """Good."""
'''
    found = arguments(read(module(source)))

    assert list(found) == ["k", "mode", "loud"]
    assert found["k"].doc == "number of clusters." and not found["k"].optional
    assert found["mode"].choices == ("a", "b") and found["mode"].optional
    assert found["loud"].choices == ("true", "false")
    settings = arguments(read("adcore.settings:TrainingSettings"))
    assert settings["epochs"].doc and "auto" in settings["backbone"].choices
