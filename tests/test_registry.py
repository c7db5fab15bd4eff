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


def test_listing_finding_and_summaries_import_nothing(install):
    install(
        "acme-ad", {"clusterer": "one = acme_one:Good"}, acme_one=GOOD.replace("'''", '"""') + "\nraise SystemExit\n"
    )

    assert registry.summary(registry.find("clusterer", "one")) == "Puts every point in one cluster."
    assert "acme_one" not in sys.modules


def test_a_summary_is_read_from_a_package_without_importing_the_package(tmp_path, monkeypatch):
    package = tmp_path / "acme_pack"
    package.mkdir()
    package.joinpath("__init__.py").write_text("raise SystemExit")
    package.joinpath("deep.py").write_text('class Deep(Base):\n    """Deep down."""\n')
    monkeypatch.syspath_prepend(tmp_path)
    entry = registry.Entry("clusterer", "deep", "acme_pack.deep:Deep", "acme-ad", "1.5")

    assert registry.summary(entry) == "Deep down."
    assert registry.summary(registry.Entry("clusterer", "x", "not_there.at_all:X", "acme-ad", "1.5")) == ""


def test_a_name_that_adcore_brings_stays_adcores(install):
    install("acme-ad", {"clusterer": "kmeans = acme_one:Good"}, acme_one=GOOD)

    ours, theirs = registry.find("clusterer", "kmeans"), registry.find("clusterer", "acme-ad/kmeans")

    assert ours.builtin and not theirs.builtin
    assert registry.shadowed(theirs) and not registry.shadowed(ours)


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
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("", "AttributeError"),
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
    [("adcore>=99", False), ("adcore>=0.0.1,<99", True), ("adcore", True), ("adcore>=99; extra == 'x'", True)],
)
def test_a_plugin_for_another_adcore_is_refused_before_it_is_imported(install, requires, fits):
    install("acme-ad", {"clusterer": "one = acme_one:Good"}, requires, acme_one=GOOD)
    entry = registry.find("clusterer", "one")

    if fits:
        registry.load(entry)
    else:
        with pytest.raises(UserError, match=rf"needs adcore >=99, but this is adcore {adcore.__version__}"):
            registry.load(entry)
        assert "acme_one" not in sys.modules


def test_a_damaged_requirement_does_not_disturb_the_listing(install):
    install("acme-ad", {"clusterer": "one = acme_one:Good"}, "adcore @@ what", acme_one=GOOD)

    assert registry.incompatible(registry.find("clusterer", "one")) is None
