"""The page is complete, self-contained and valid, whatever is missing."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adcore.data.samples import Sample
from adcore.prediction import Prediction, TestResult
from adcore.report.case import thumbnail
from adcore.report.gallery import CategoryGallery
from adcore.report.page import Page

VOID = {"meta", "img", "br", "link", "input", "circle", "path", "rect"}


class Outline(HTMLParser):
    """Collects tags and refuses bad nesting."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def category(defects=("good", "scratch"), size=(16, 24), mask=True, count=6, shots=4, noise=False):
    gallery = CategoryGallery(shots)
    rng = np.random.default_rng(0)
    for index in range(count):
        defect = defects[index % len(defects)]
        score = float(rng.random())
        map_ = rng.random(size, dtype=np.float32)
        truth = (map_ > 0.9 if defect != "good" else np.zeros(size, dtype=bool)) if mask else None
        shade = rng.integers(0, 256, (*size, 3)) if noise else np.full((*size, 3), 40 * index % 256)
        verdict = "anomalous" if score >= 0.5 else "normal"
        prediction = Prediction("part", score, 0.2, verdict, 0.5, map_, map_ > 0.8)
        sample = Sample(f"part/test/{defect}/{index:03d}.png", "part", "test", defect)
        gallery.add(TestResult(sample, shade.astype(np.uint8), truth, prediction))
    return gallery


def page(categories, **changes):
    metrics = {
        "mean": {"image.auroc": 0.9},
        "worst": {"image.auroc": {"value": 0.9, "category": next(iter(categories), None)}},
        "categories": {name: {"image.auroc": 0.9, "pixel.ap": None} for name in categories},
        "contexts": {name: {"references": ["a.png"], "warnings": ["too few"]} for name in categories},
    }
    given = {"title": "trial", "out": Path("runs/trial"), "metrics": metrics, "categories": categories, **changes}
    return Page(**given)


def test_a_context_has_its_realised_false_alarms_beside_the_promised_ones():
    rates = {"decision.false_alarm_rate": 0.1, "decision.false_alarm_low": 0.03, "decision.false_alarm_high": 0.25}
    metrics = {
        "categories": {"bolt": rates},
        "contexts": {"bolt": {"references": [], "supported_rate": 0.2, "calibration_method": "leave-one-out"}},
    }
    html = page({"bolt": category()}, metrics=metrics).render()
    row = html.partition('id="contexts"')[2].partition("<tbody>")[2].partition("</tr>")[0]
    assert "20.0" in row and "rough guide" in row and "10.0" in row and "3.0\u201325.0" in row


def test_everything_is_on_the_page_and_nothing_comes_from_outside():
    html = page(
        {"bolt": category(), "nut": category(mask=False), "cap": category(("good",)), "pin": category(("dent",))},
        epochs=[(1, {"train.loss": 0.9, "val.pixel.f1": 0.2}), (2, {"train.loss": 0.4, "val.pixel.f1": 0.6})],
        messages=[("warning", "few images"), ("info", "best epoch 2")],
        recipe="backbone: resnet\n",
        stages={"fit": 61.0},
        references={"bolt": [thumbnail(np.zeros((48, 64, 3), dtype=np.uint8), 1000)]},
    ).render()
    outline = Outline(html)
    for link in [a.get("src") for a in outline.all("img")] + [a.get("href") for a in outline.all("a")]:
        assert link.startswith(("data:image/", "#"))
    assert not outline.all("script") and not outline.all("link")
    assert not re.search(r"url\(|@import|https?://", html)
    text = " ".join(" ".join(outline.text).split())
    for part in (
        "few images",
        "best epoch 2",
        "backbone: resnet",
        "no mask given",
        "no defect",
        "too few",
        "1 min 1 s",
    ):
        assert part in text
    assert "adcore run runs/trial/recipe.yaml --out runs/trial-again" in text
    assert "No ROC curve: the test images are all good." in text and "are all defective." in text
    assert "Reference image 1 of bolt" in html


def test_every_picture_has_a_text_and_every_table_names_its_rows_and_columns():
    outline = Outline(page({"bolt": category()}).render())
    assert outline.all("img") and all(image.get("alt") for image in outline.all("img"))
    assert all(chart.get("role") == "img" and chart.get("aria-label") for chart in outline.all("svg"))
    assert outline.all("th") and all(head.get("scope") for head in outline.all("th"))
    assert len(outline.all("caption")) == len(outline.all("table"))
    assert outline.all("html")[0]["lang"] == "en"


def test_links_lead_somewhere():
    outline = Outline(page({"a b": category(), "<c>": category()}).render())
    targets = {attributes["id"] for _, attributes in outline.tags if "id" in attributes}
    assert {link["href"][1:] for link in outline.all("a")} <= targets


def test_pictures_can_be_decoded():
    outline = Outline(page({"bolt": category(size=(20, 900))}).render())
    for image in outline.all("img"):
        decoded = Image.open(io.BytesIO(base64.b64decode(image["src"].split(",")[1])))
        assert decoded.size == (int(image["width"]), int(image["height"])) == (900, 20)


def test_names_and_messages_are_text_and_never_markup():
    html = page({"<script>alert(1)</script>": category()}, messages=[("info", "<img src=x>")], title="<b>").render()
    assert "<script" not in html and "<img src=x" not in html and "&lt;b&gt;" in html


def test_nothing_to_show_is_a_page_too():
    html = page({}, metrics={}).render()
    Outline(html)
    assert "There were no test images" in html


@pytest.mark.parametrize("threshold", [float("inf"), float("nan")])
def test_a_context_without_a_usable_threshold_is_shown(threshold):
    gallery = category()
    gallery.threshold = threshold
    Outline(page({"bolt": gallery}).render())


def test_many_categories_stay_below_three_megabytes():
    heavy = category(size=(120, 480), count=8, shots=8, noise=True)  # noise: the worst that JPEG can meet
    html = page({f"part {index}": heavy for index in range(40)}).render()
    assert len(html) < 3_000_000
