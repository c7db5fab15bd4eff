"""Components are found from metadata alone, names stay stable, and a broken plugin hurts nobody else."""

import sys

import pytest

import adcore
from adcore import registry
from adcore.errors import UserError

GOOD = """
from adcore import Clusterer

class Good(Clusterer):
    '''Puts every point in one cluster.'''

    def fit_predict(self, x):
        return [0] * len(x)
"""


@pytest.fixture
def install(tmp_path, monkeypatch, write_distribution):
    """Install a distribution: its metadata, entry points (group -> lines) and modules, in a folder on the path."""

    def do(dist, points, requires="", **modules):
        lines = "\n".join(f"[adcore.{kind}]\n{line}\n" for kind, line in points.items())
        for module in modules:
            monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.syspath_prepend(write_distribution(tmp_path / dist, dist, lines, requires, **modules))

    return do


def test_a_strangers_component_is_listed_found_and_loaded_like_ours(install):
    install("acme-ad", {"clusterer": "one = acme_one:Good"}, acme_one=GOOD)

    entry = registry.find("clusterer", "one")

    assert entry in registry.entries("clusterer")
    assert (entry.dist, entry.version, entry.target) == ("acme-ad", "1.5", "acme_one:Good")
    assert entry == registry.find("clusterer", "acme-ad/one") == registry.find("clusterer", "acme_one.Good")
    assert registry.load(entry).__name__ == "Good"


def test_listing_and_finding_import_nothing(install):
    install("acme-ad", {"clusterer": "one = acme_one:Good"}, acme_one="raise SystemExit\n" + GOOD)

    assert registry.find("clusterer", "one") in registry.entries("clusterer")
    assert "acme_one" not in sys.modules


def test_a_name_that_adcore_brings_stays_adcores(install):
    install("acme-ad", {"clusterer": "kmeans = acme_one:Good"}, acme_one=GOOD)

    ours, theirs = registry.find("clusterer", "kmeans"), registry.find("clusterer", "acme-ad/kmeans")

    assert ours.builtin and not theirs.builtin
    assert registry.rival(theirs) == ours and registry.rival(ours) is None
    assert (registry.recipe_name(ours), registry.recipe_name(theirs)) == ("kmeans", "acme-ad/kmeans")


def test_a_name_that_two_strangers_claim_has_to_be_written_in_full(install):
    install("acme-ad", {"clusterer": "one = acme_one:Good"}, acme_one=GOOD)
    install("other-ad", {"clusterer": "one = other_one:Good"}, other_one=GOOD)

    with pytest.raises(UserError, match="acme-ad/one or other-ad/one"):
        registry.find("clusterer", "one")
    assert registry.find("clusterer", "other-ad/one").dist == "other-ad"


def test_an_editable_install_beside_a_wheel_is_one_component(install):
    install("acme-ad", {"clusterer": "one = acme_one:Good"}, acme_one=GOOD)
    install("acme.ad", {"clusterer": "one = acme_one:Good"})

    assert [entry.name for entry in registry.entries("clusterer")].count("one") == 1


@pytest.mark.parametrize("typo", ["ResNet", "res_net", "resnett"])
def test_an_unknown_name_gets_a_suggestion_and_the_list(typo):
    with pytest.raises(UserError, match=r"installed: .*resnet.*swin.*did you mean 'resnet'"):
        registry.find("backbone", typo)


def test_a_component_of_another_kind_is_called_by_its_kind():
    with pytest.raises(UserError, match="'kmeans' is a clusterer, no backbone"):
        registry.find("backbone", "kmeans")


def test_only_installed_classes_can_be_named():
    with pytest.raises(UserError, match=r"'os\.system' is no installed backbone"):
        registry.find("backbone", "os.system")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("\nimport not_there", r"ModuleNotFoundError: No module named 'not_there' \(.*acme_one.py, line 2\)"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit(3)", r"SystemExit: 3 \(.*acme_one.py, line 1\)"),
        ("class Skipped(BaseException): pass\nraise Skipped('no display')", "Skipped: no display"),
        ("import os\nos.not_there", "AttributeError: module 'os' has no attribute 'not_there'"),
        ("", "has no class Good: it is not in .*acme_one.py"),
        ("Good = 3", r"must subclass adcore\.Clusterer"),
        ("from adcore import Fuser\nclass Good(Fuser): pass", r"must subclass adcore\.Clusterer"),
        ("from adcore import Clusterer\nclass Good(Clusterer): pass", "must implement fit_predict"),
    ],
)
def test_a_broken_plugin_is_named_with_its_distribution_and_the_cause(install, source, reason):
    install("acme-ad", {"clusterer": "one = acme_one:Good"}, acme_one=source)

    with pytest.raises(UserError, match=f"clusterer 'one' of acme-ad 1.5.*{reason}"):
        registry.load(registry.find("clusterer", "one"))
    registry.load(registry.find("fuser", "mean"))


@pytest.mark.parametrize(
    ("requires", "fits"),
    [
        ("adcore>=99", False),
        ("adcore>=0.0.1,<99", True),
        ("adcore", True),
        ("adcore>=99; extra == 'x'", True),
        ("adcore<99\nRequires-Dist: adcore>=99", False),
        ("adcore-extras>=99", True),
    ],
)
def test_a_plugin_for_another_adcore_is_refused_before_it_is_imported(install, requires, fits):
    install("acme-ad", {"clusterer": "one = acme_one:Good"}, requires, acme_one=GOOD)
    entry = registry.find("clusterer", "one")

    if fits:
        registry.load(entry)
    else:
        with pytest.raises(UserError, match=rf"needs adcore .*>=99.*, but this is adcore {adcore.__version__}"):
            registry.load(entry)
        assert "acme_one" not in sys.modules


@pytest.mark.parametrize("requirement", ["adcore @@ what", "adcore>=99; no_such_marker == '1'", "adcore>=one"])
def test_a_damaged_requirement_does_not_disturb_the_listing(install, requirement):
    install("acme-ad", {"clusterer": "one = acme_one:Good"}, requirement, acme_one=GOOD)

    assert registry.incompatible(registry.find("clusterer", "one")) is None


@pytest.mark.parametrize("target", ["acme_one", "acme_one:", ":Good", "acme_one:Good:Good", "acme one:Good"])
def test_a_target_that_names_no_class_is_shown(install, target):
    install("acme-ad", {"clusterer": f"one = {target}"}, acme_one=GOOD)

    with pytest.raises(UserError, match=f"one.*has the target '{target}'; write module:Class"):
        registry.load(registry.find("clusterer", "one"))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("entry_points.txt", b"[adcore.clusterer]\nno equals sign\n"),
        ("entry_points.txt", b"[adcore.clusterer]\n\xe9 = a:B\n"),
        ("METADATA", b""),
        ("METADATA", b"Metadata-Version: 2.1\nName: acme-ad\n"),
        ("METADATA", None),
    ],
)
def test_a_damaged_installation_hides_no_other(install, tmp_path, file, content):
    install("acme-ad", {"clusterer": "one = acme_one:Good"}, acme_one=GOOD)
    damaged = tmp_path / "acme-ad" / "acme_ad-1.5.dist-info" / file
    damaged.unlink() if content is None else damaged.write_bytes(content)
    install("other-ad", {"clusterer": "two = other_two:Good"}, other_two=GOOD)

    assert registry.find("clusterer", "kmeans").builtin and registry.find("clusterer", "two").dist == "other-ad"
    (odd,) = registry.oddities()
    assert "acme_ad-1.5.dist-info cannot be read (" in odd and odd.endswith("; install it again")


def test_damage_where_no_component_is_meant_is_nobodys_business(install, tmp_path):
    install("acme-ad", {"clusterer": "one = acme_one:Good"}, acme_one=GOOD)
    (tmp_path / "acme-ad" / "acme_ad-1.5.dist-info" / "entry_points.txt").write_text("[console_scripts]\nno equals\n")

    assert not registry.oddities()


def test_an_unknown_group_is_noted(install):
    install("acme-ad", {"clusterers": "one = acme_one:Good"}, acme_one=GOOD)

    (odd,) = registry.oddities()
    assert odd == (
        "clusterers 'one' of acme-ad 1.5: its entry-point group adcore.clusterers stands for no kind; "
        "did you mean 'clusterer'?"
    )


def test_of_two_versions_only_the_one_that_python_takes_is_listed(install, tmp_path):
    install("acme-ad", {"clusterer": "gone = acme_one:Good"}, acme_one=GOOD)
    install("acme.ad", {"clusterer": "one = acme_one:Good"}, acme_one=GOOD)  # comes first on the path
    metadata = tmp_path / "acme.ad" / "acme.ad-1.5.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("1.5", "1.6"))
    metadata.parent.rename(metadata.parent.with_name("acme_ad-1.6.dist-info"))

    assert [entry.name for entry in registry.entries("clusterer") if not entry.builtin] == ["one"]


@pytest.mark.parametrize(
    ("stated", "licence"),
    [
        ("License-Expression: MIT", "MIT"),
        ("License: BSD\n        with more text", "BSD"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License", "MIT License"),
        ("Classifier: Topic :: Scientific/Engineering", ""),
    ],
)
def test_the_licence_is_what_the_distribution_states(install, tmp_path, stated, licence):
    install("acme-ad", {"clusterer": "one = acme_one:Good"}, acme_one=GOOD)
    metadata = tmp_path / "acme-ad" / "acme_ad-1.5.dist-info" / "METADATA"
    metadata.write_text(f"{metadata.read_text()}{stated}\n")

    assert registry.find("clusterer", "one").licence == licence


def test_what_a_component_prints_at_import_stays_off_stdout(install, capsys):
    install("acme-ad", {"clusterer": "one = acme_one:Good"}, acme_one="print('hello')\n" + GOOD)
    registry.load(registry.find("clusterer", "one"))

    assert capsys.readouterr() == ("", "hello\n")
