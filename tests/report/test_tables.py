"""Tables and verdict say what the metrics say, also where some are missing."""

import pytest

from adcore.report.gallery import CategoryGallery
from adcore.report.tables import comparison, comparison_by_category, results, text_of
from adcore.report.verdict import tiles, verdict

METRICS = {
    "mean": {"image.auroc": 0.9, "image.ap": 0.8, "pixel.ap": None, "context.flip_accuracy": 0.95},
    "worst": {
        "image.auroc": {"value": 0.85, "category": "nut"},
        "image.ap": {"value": 0.8, "category": "bolt"},
        "pixel.ap": {"value": None, "category": None},
    },
    "categories": {
        "bolt": {
            "image.auroc": 0.95,
            "image.ap": 0.8,
            "pixel.ap": None,
            "decision.false_alarm_rate": 0.05,
            "decision.false_alarm_low": 0.01,
            "decision.false_alarm_high": 0.17,
        },
        "nut": {"image.auroc": 0.85, "image.ap": 0.8, "pixel.ap": None},
        "cap": {"image.auroc": None},
    },
    "branches": {
        "reference": {"mean": {"image.auroc": 0.88}, "categories": {"bolt": {"image.auroc": 0.97}}},
        "contrastive": {"mean": {"image.auroc": 0.9}, "categories": {}},
    },
    "baseline": {"mean": {"image.auroc": 0.7}, "categories": {"bolt": {"image.auroc": 0.6}}},
    "settings": {"false_alarm_rate": 0.05},
    "contexts": {},
}


def cells(table, row):
    return dict(zip([column.key for column in table.columns], dict([*table.rows, *table.foot])[row], strict=True))


def gallery(passed=0, alarms=0, found=0, missed=0):
    made = CategoryGallery(0)
    made.outcomes.update({"passed": passed, "false alarm": alarms, "found": found, "missed": missed})
    made.scores = [0.0] * (passed + alarms + found + missed)
    return made


def test_text_of():
    assert [text_of(0.12345), text_of(0.5, percent=True), text_of(None), text_of(float("nan"))] == [
        "0.123",
        "50.0\u202f%",
        "n/a",
        "n/a",
    ]


def test_results_show_mean_worst_and_not_available():
    table = results(METRICS)
    assert cells(table, "Mean")["image.auroc"].text == "0.900"
    assert cells(table, "cap")["image.auroc"].text == "n/a"
    worst = cells(table, "Worst")["image.auroc"]
    assert (worst.text, worst.note) == ("0.850", "nut")
    assert cells(table, "nut")["image.auroc"].mark == "worst" and not cells(table, "bolt")["image.auroc"].mark
    assert cells(table, "bolt")["decision.false_alarm_rate"].note == "1.0\u201317.0"


def test_where_all_are_equal_none_is_marked_worst():
    table = results(METRICS)
    assert not any(cells(table, name)["image.ap"].mark for name in ("bolt", "nut"))


def test_a_single_category_needs_no_mean():
    assert results({"mean": {}, "worst": {}, "categories": {"bolt": {"image.auroc": 0.9}}}).foot == []


def test_columns_are_grouped_in_order():
    assert results(METRICS).groups() == [("Image", 2), ("Pixel", 1), ("Decision", 1)]


def test_comparison_marks_the_best_and_all_ties():
    table = comparison(METRICS)
    assert [name for name, _ in table.rows] == [
        "This model",
        "Reference branch",
        "Contrastive branch",
        "Mean image",
    ]
    marks = [cells(table, name)["image.auroc"].mark for name, _ in table.rows]
    assert marks == ["best", "", "best", ""]
    by_category = comparison_by_category(METRICS)
    assert cells(by_category, "bolt")["Reference branch"].mark == "best"
    assert cells(by_category, "bolt")["Contrastive branch"].text == "n/a"
    assert not any(cell.mark for name, cell in cells(by_category, "cap").items())


def test_verdict_compares_the_branches_in_pixel_ap_as_well():
    metrics = {**METRICS, "mean": {"image.auroc": 0.9, "pixel.ap": 0.7}}
    metrics["branches"] = {"reference": {"mean": {"pixel.ap": 0.65}}, "contrastive": {"mean": {"pixel.ap": 0.6}}}
    text = " ".join(verdict(metrics, {"bolt": gallery(passed=10)}))
    assert "In pixel AP the branches together (0.700) are better than the better one alone" in text
    assert "In image AUROC the branches" not in text  # not measured for them


def test_a_model_of_one_branch_without_baseline_is_compared_with_nothing():
    assert (
        comparison({**METRICS, "branches": {"reference": METRICS["branches"]["reference"]}, "baseline": None}) is None
    )


@pytest.mark.parametrize(
    "alarms, words", [(5, "the promise was kept"), (7, "no more than chance"), (20, "clearly more")]
)
def test_the_promise_is_judged_with_chance_in_mind(alarms, words):
    text = " ".join(verdict(METRICS, {"bolt": gallery(passed=100 - alarms, alarms=alarms, found=3)}))
    assert words in text and f"{alarms} of 100 good images raised a false alarm" in text


def test_a_weaker_promise_is_named_with_its_context_and_is_what_counts():
    metrics = {**METRICS, "contexts": {"bolt": {"supported_rate": 0.2}}}
    text = " ".join(verdict(metrics, {"bolt": gallery(passed=85, alarms=15)}))
    assert "not the 5\u202f% asked for, as bolt has too few calibration images" in text
    assert "20.0\u202f%" in text and "the promise was kept" in text


def test_few_calibration_images_leave_more_to_chance():
    """A rate kept on average over draws of the calibration images: with 19 of them one draw says little."""
    metrics = {**METRICS, "contexts": {"bolt": {"calibration": 19}}}
    text = " ".join(verdict(metrics, {"bolt": gallery(passed=88, alarms=12)}))
    assert "no more than chance" in text
    metrics["contexts"]["bolt"]["calibration"] = 999
    assert "clearly more" in " ".join(verdict(metrics, {"bolt": gallery(passed=88, alarms=12)}))


def test_thresholds_from_references_are_called_a_rough_guide():
    metrics = {**METRICS, "contexts": {"bolt": {"calibration": 4, "calibration_method": "leave-one-out"}}}
    text = " ".join(verdict(metrics, {"bolt": gallery(passed=88, alarms=12)}))
    assert "only as a rough guide for bolt, calibrated on references" in text


def test_verdict_names_the_weakest_and_compares_the_parts():
    text = " ".join(verdict(METRICS, {"bolt": gallery(passed=10, found=9, missed=1), "nut": gallery(passed=10)}))
    assert "90.0\u202f% of all pairs on average" in text
    assert "The weakest category is nut, image AUROC 0.850." in text
    assert "9 of 10 defective images were found (90.0\u202f%)" in text
    assert "are as good as the better one alone (reference 0.880, contrastive 0.900)" in text
    assert "reaches image AUROC 0.700" in text


def test_nothing_measured_is_said_and_no_figure_invented():
    empty = {"mean": {}, "worst": {}, "categories": {}, "contexts": {}, "settings": {}}
    assert verdict(empty, {}) == ["There were no test images, so nothing was measured."]
    assert tiles(empty, {}) == []
    assert "unknown" in verdict(empty, {"bolt": gallery(passed=3)})[0]


def test_tiles():
    values = {tile.title: tile.value for tile in tiles(METRICS, {"bolt": gallery(19, 1, 8, 2), "nut": gallery(20)})}
    assert values == {
        "Mean image AUROC": "0.900",
        "Worst category": "0.850",
        "False alarms": "2.5\u202f%",
        "Defects found": "80.0\u202f%",
        "Two contexts": "95.0\u202f%",
    }
