"""What is said after a run: the numbers of metrics.json, whatever of them there is."""

import copy
import re

import pytest

from adcore.cli.summary import show

METRICS = {
    "categories": {
        "bolt": {
            "image.auroc": 0.9,
            "image.ap": 0.8,
            "pixel.auroc": 0.95,
            "pixel.ap": 0.4,
            "pixel.aupro30": 0.7,
            "decision.recall": 0.75,
            "decision.false_alarm_rate": 0.02,
        },
        "[b]nut[/b]": {"image.auroc": 0.5, "pixel.ap": None, "decision.recall": None, "decision.false_alarm_rate": 0.1},
    },
    "mean": {"image.auroc": 0.7, "decision.false_alarm_rate": 0.06, "context.flip_accuracy": 0.625},
    "worst": {
        "image.auroc": {"value": 0.5, "category": "[b]nut[/b]"},
        "pixel.ap": {"value": None, "category": None},
        "decision.false_alarm_rate": {"value": 0.1, "category": "[b]nut[/b]"},
    },
    "branches": {
        "reference": {"mean": {"image.auroc": 0.66, "pixel.ap": 0.33}},
        "contrastive": {"mean": {"image.auroc": 0.55, "pixel.ap": None}},
    },
    "baseline": {"mean": {"image.auroc": 0.44, "pixel.ap": 0.11}},
}


def shown(capsys, metrics, out):
    show(metrics, out)
    return capsys.readouterr().out.splitlines()


def test_every_category_the_mean_and_the_worst_have_a_row(capsys, tmp_path):
    lines = shown(capsys, METRICS, tmp_path)
    assert [line.split() for line in lines[1:5]] == [
        ["bolt", "0.900", "0.800", "0.950", "0.400", "0.700", "75.0%", "2.0%"],
        ["[b]nut[/b]", "0.500", "n/a", "n/a", "n/a", "n/a", "n/a", "10.0%"],
        ["mean", "0.700", "n/a", "n/a", "n/a", "n/a", "n/a", "6.0%"],
        ["worst", "0.500", "n/a", "n/a", "n/a", "n/a", "n/a", "10.0%"],
    ]
    assert len({len(line) for line in lines[:5]}) == 1  # aligned at the right


def test_branches_baseline_and_contexts_have_a_line_each(capsys, tmp_path):
    assert shown(capsys, METRICS, tmp_path)[5:] == [
        "reference branch alone: image AUROC 0.660, pixel AP 0.330",
        "contrastive branch alone: image AUROC 0.550, pixel AP n/a",
        "baseline (mean image): image AUROC 0.440, pixel AP 0.110",
        "judged right in all of their contexts: 62.5%",
        f"results: {tmp_path}",
    ]


def test_what_would_only_be_repeated_is_left_out(capsys, tmp_path):
    metrics = copy.deepcopy(METRICS)
    del metrics["categories"]["[b]nut[/b]"], metrics["branches"]["contrastive"]
    first_words = [line.split()[0] for line in shown(capsys, metrics, tmp_path)]
    assert first_words == ["category", "bolt", "baseline", "judged", "results:"]


@pytest.mark.parametrize("metrics", [{}, {"mean": {}, "worst": {}, "categories": {}, "contexts": {}, "settings": {}}])
def test_a_run_without_tests_says_where_it_is(capsys, tmp_path, metrics):
    (tmp_path / "report.html").write_text("")
    assert shown(capsys, metrics, tmp_path) == [f"results: {tmp_path}", f"report: {tmp_path / 'report.html'}"]


def test_a_terminal_gets_the_same_numbers(capsys, tmp_path, monkeypatch):
    plain = shown(capsys, METRICS, tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    rich = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in shown(capsys, METRICS, tmp_path)]
    assert [line.split() for line in plain[1:5]] == [line.split() for line in rich if "%" in line][:4]
    assert rich[-5:] == plain[-5:]
