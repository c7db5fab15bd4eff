"""One object stands for all observers: names are checked at start, failures name their origin; and what a run tells."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from adcore_plugins.progress import Progress
from tiny import recipe, rows, write_recipe

from adcore import cli
from adcore.errors import AdcoreWarning, UserError
from adcore.hooks import Hooks, RunInfo
from adcore.interfaces import Observer
from adcore.observing import ARGUMENTS, ObserverError, Observers
from adcore.recipe import parse


class Recorder(Observer):
    def __init__(self, log=None, tag=""):
        self.log = log if log is not None else []
        self.tag = tag

    def on_progress(self, done, stage):  # fewer arguments, another order
        self.log.append((self.tag, stage, done))

    def on_error(self, error):
        self.log.append((self.tag, error))


def test_a_hook_reaches_every_observer_in_order_with_the_arguments_it_takes():
    log = []
    observers = Observers([Recorder(log, "first"), Recorder(log, "second")])
    observers.on_progress(stage="test", done=3, total=7)
    observers.on_progress("fit", 1, 2)
    assert log == [("first", "test", 3), ("second", "test", 3), ("first", "fit", 1), ("second", "fit", 1)]


def test_hooks_nobody_listens_to_and_no_observers_at_all():
    Observers([]).on_run_end(seconds=1.0)
    Observers([Recorder()]).on_run_start(run=RunInfo(Path("."), {}, ["a"]))


def test_one_class_may_be_used_twice_with_equal_settings():
    log = []
    Observers([Recorder(log), Recorder(log)]).on_progress(stage="test", done=1, total=1)
    assert len(log) == 2


def test_defaults_keyword_only_arguments_and_kwargs_are_handed_over():
    seen = {}

    class Loose(Observer):
        def on_progress(self, *, done=0, total=0):
            seen.update(done=done, total=total)

        def on_message(self, **arguments):
            seen.update(arguments)

    observers = Observers([Loose()])
    observers.on_progress(stage="test", done=3, total=7)
    observers.on_message(level="info", text="hello")
    assert seen == {"done": 3, "total": 7, "level": "info", "text": "hello"}


def test_a_missing_or_unknown_argument_of_the_caller_is_an_error_and_not_a_silent_none():
    with pytest.raises(TypeError, match="total"):
        Observers([Recorder()]).on_progress(stage="test", done=3)
    with pytest.raises(TypeError, match="finished"):
        Observers([Recorder()]).on_progress(stage="test", done=3, total=7, finished=3)


def test_a_misspelt_hook_is_refused_with_the_right_one():
    class Typo(Observer):
        def on_epoc_end(self, epoch):
            """Never called."""

    with pytest.raises(UserError, match=r"Typo.*'on_epoc_end'.*did you mean 'on_epoch_end'\?"):
        Observers([Typo()])


def test_a_hook_like_no_other_lists_what_there_is():
    class Odd(Observer):
        def on_zzz(self):
            """Never called."""

    with pytest.raises(UserError, match=r"on_zzz.*known: .*on_scores"):
        Observers([Odd()])


def test_an_unknown_argument_is_refused_with_the_right_one():
    class Typo(Observer):
        def on_report(self, out, metric):
            """Never called."""

    with pytest.raises(UserError, match=r"Typo.*'on_report' has no argument 'metric'; did you mean 'metrics'\?"):
        Observers([Typo()])


def test_the_error_names_the_distribution_that_brought_the_observer():
    class Typo(Progress):
        def on_ende(self):
            """Never called."""

    Typo.__module__ = Progress.__module__
    with pytest.raises(UserError, match="observer Typo of adcore"):
        Observers([Typo()])


def test_what_is_no_public_method_is_no_hook():
    class Plain(Observer):
        on_disk = True

        def _on_secret(self):
            """Private."""

        @property
        def on_fire(self):
            raise AssertionError("never evaluated")

    Observers([Plain()]).on_run_end(seconds=0.0)


class Broken(Observer):
    def __init__(self, error):
        self.error = error

    def on_progress(self):
        raise self.error


def test_a_failure_names_observer_hook_and_place_keeps_its_cause_and_does_not_deafen_the_others():
    log = []
    cause = ZeroDivisionError("by zero")
    observers = Observers([Broken(cause), Recorder(log)])
    with pytest.raises(ObserverError, match=r"Broken.* failed in on_progress: ZeroDivisionError: by zero") as caught:
        observers.on_progress(stage="test", done=1, total=2)
    assert f"({__file__}, line " in str(caught.value) and "leave it out of `observers`" in str(caught.value)
    assert caught.value.__cause__ is cause
    assert log == [("", "test", 1)]
    observers.on_error(error=cause)  # the failure is forgotten: the next event is delivered
    assert log[-1] == ("", cause)


def test_an_observer_does_not_end_the_process_in_silence():
    with pytest.raises(ObserverError, match="failed in on_progress: SystemExit: 0"):
        Observers([Broken(SystemExit(0))]).on_progress(stage="test", done=1, total=2)


def test_what_the_user_can_mend_and_an_interrupt_pass_as_they_are():
    for error in (UserError("install tensorboard"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught:
            Observers([Broken(error)]).on_progress(stage="test", done=1, total=2)
        assert caught.value is error


def test_from_the_error_that_ends_a_run_on_failures_are_warnings():
    class Late(Observer):
        def on_error(self):
            raise ZeroDivisionError("in on_error")

        def on_run_end(self):
            raise ZeroDivisionError("in on_run_end")

    observers = Observers([Late()])
    with pytest.warns(AdcoreWarning, match=r"Late.* failed in on_error"):
        observers.on_error(error=UserError("no such file"))
    with pytest.warns(AdcoreWarning, match=r"Late.* failed in on_run_end"):
        observers.on_run_end(seconds=1.0)


def test_arguments_are_handed_over_by_name():
    class Positional(Observer):
        def on_report(self, out, /):
            """Never called."""

    with pytest.raises(UserError, match=r"Positional.* leave out the '/' in 'on_report'"):
        Observers([Positional()])


def test_a_static_method_may_listen():
    seen = []

    class Static(Observer):
        @staticmethod
        def on_report(metrics):
            seen.append(metrics)

    Observers([Static()]).on_report(out=Path("."), metrics={"a": 1})
    assert seen == [{"a": 1}]


@pytest.mark.parametrize("hook", ARGUMENTS)
def test_each_hook_documents_when_it_fires_and_each_of_its_arguments(hook):
    from adcore.source import documented

    doc = getattr(Hooks, hook).__doc__
    described = documented(doc.replace("\n        ", "\n"))
    assert tuple(described) == ARGUMENTS[hook] and all(described.values())


# ---- in a run ---------------------------------------------------------------------------------------------------


class Everything(Observer):
    """Keeps each event with all its arguments; `act` is called on each."""

    def __init__(self, act=lambda hook, arguments: None):
        self.events = []
        for hook in ARGUMENTS:
            setattr(self, hook, self._keep(hook, act))

    def _keep(self, hook, act):
        def keep(**arguments):
            self.events.append((hook, arguments))
            act(hook, arguments)

        return keep

    def told(self):
        """Names of the hooks that fired, with the stage where there is one; repetitions and progress left out."""
        told = [f"{hook} {arguments['stage']}" if "stage" in arguments else hook for hook, arguments in self.events]
        told = [event for event in told if not event.startswith(("on_progress", "on_message"))]
        return [event for event, _ in itertools.groupby(told)]

    def of(self, hook):
        return [arguments for name, arguments in self.events if name == hook]


for _hook in ARGUMENTS:  # an observer's class says what it listens to
    setattr(Everything, _hook, lambda self, **arguments: None)


def watched(out, content, *observers, resume=False):
    parsed = parse(content)
    runner = parsed.build()
    runner.observers = list(observers)
    return runner.run(out, parsed.dump(), resume)


def stage(name, *between):
    return [f"on_stage_start {name}", *between, f"on_stage_end {name}"]


AFTER_FIT = [
    *stage("reference"),
    *stage("calibrate"),
    "on_context_ready",
    *stage("test", "on_scores"),
    *stage("report", "on_report"),
    "on_run_end",
]


def test_a_run_tells_of_everything_in_order_with_all_arguments(tmp_path, parts):
    observer = Everything()
    metrics = watched(tmp_path / "run", recipe(parts), observer)

    assert observer.told() == ["on_run_start", *stage("fit", *2 * ("on_examples", "on_epoch_end")), *AFTER_FIT]
    assert all(tuple(arguments) == ARGUMENTS[hook] for hook, arguments in observer.events)
    (start,) = observer.of("on_run_start")
    assert start["run"].out == tmp_path / "run" and start["run"].recipe["seed"] == 0 and not start["run"].resumed
    assert list(start["run"].categories) == ["part"]
    for name in ("fit", "reference", "calibrate", "test", "report"):
        steps = [arguments for arguments in observer.of("on_progress") if arguments["stage"] == name]
        (begun,) = (arguments for arguments in observer.of("on_stage_start") if arguments["stage"] == name)
        assert [step["done"] for step in steps] == list(range(1, begun["total"] + 1))
        assert {step["total"] for step in steps} == {begun["total"]}
    first, last = observer.of("on_epoch_end")
    assert (first["epoch"], last["epoch"], last["epochs"]) == (1, 2, 2) and last["metrics"]["train.loss"] > 0
    for epoch, shown in enumerate(observer.of("on_examples"), 1):
        assert shown["epoch"] == epoch and {example.category for example in shown["examples"]} == {"part"}
        example = shown["examples"][0]
        assert example.image.shape == (32, 32, 3) and example.truth.shape == example.map.shape
        assert example.embedding.shape[1:] == example.map.shape
    (ready,) = observer.of("on_context_ready")
    assert ready["context"].name == "part" and ready["context"].calibration is not None
    assert [(image.dtype, image.shape) for image in ready["references"]] == [(np.uint8, (32, 32, 3))] * 3
    results = [result for scores in observer.of("on_scores") for result in scores["results"]]
    assert {scores["category"] for scores in observer.of("on_scores")} == {"part"}
    assert [str(result.sample.path) for result in results] == [row["path"] for row in rows(tmp_path / "run")]
    (report,) = observer.of("on_report")
    assert report["out"] == tmp_path / "run" and report["metrics"] == metrics
    assert observer.of("on_run_end")[0]["seconds"] >= max(end["seconds"] for end in observer.of("on_stage_end"))


def test_a_resumed_run_tells_of_what_is_left_and_of_every_context(tmp_path, parts):
    def interrupt(hook, arguments):
        if hook == "on_scores":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watched(tmp_path / "run", recipe(parts), Everything(interrupt))
    observer = Everything()
    watched(tmp_path / "run", recipe(parts), observer, resume=True)

    assert observer.told() == [
        "on_run_start",
        *(event for event in AFTER_FIT if not event.endswith(("reference", "calibrate"))),
    ]
    assert observer.of("on_run_start")[0]["run"].resumed
    again = Everything()
    watched(tmp_path / "run", recipe(parts), again, resume=True)
    assert not again.events  # the run is finished


@pytest.mark.parametrize("where", ["on_run_start", "on_epoch_end", "on_context_ready", "on_scores", "on_report"])
def test_ctrl_c_ends_a_run_through_on_error_and_on_run_end(tmp_path, parts, where):
    def interrupt(hook, arguments):
        if hook == where:
            raise KeyboardInterrupt

    observer = Everything(interrupt)
    with pytest.raises(KeyboardInterrupt):
        watched(tmp_path / "run", recipe(parts), observer)

    assert observer.told()[-3:] == [where, "on_error", "on_run_end"]
    assert isinstance(observer.of("on_error")[0]["error"], KeyboardInterrupt)


def test_a_mistake_in_the_data_is_told_without_a_start(tmp_path, parts):
    observer = Everything()
    with pytest.raises(UserError) as caught:
        watched(tmp_path / "run", recipe(parts, context={"shots": 99}), observer)

    assert observer.told() == ["on_error", "on_run_end"]
    assert observer.of("on_error")[0]["error"] is caught.value


OBSERVER = """
from adcore import Observer


class Fragile(Observer):
    def {hook}(self):
        raise ZeroDivisionError("by zero")
"""


@pytest.mark.parametrize("hook", ["on_run_start", "on_epoch_end", "on_scores", "on_report", "on_run_end"])
def test_a_failing_observer_ends_the_run_in_one_line_and_the_run_goes_on_without_it(
    tmp_path, monkeypatch, capsys, write_distribution, parts, hook
):
    points = "[adcore.observer]\nfragile = acme_fragile:Fragile\n"
    site = write_distribution(tmp_path / "site", "acme-ad", points, acme_fragile=OBSERVER.format(hook=hook))
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "acme_fragile", raising=False)
    file, out = write_recipe(tmp_path / "tiny.yaml", recipe(parts)), str(tmp_path / "run")

    assert cli.main(["run", file, "--out", out, "--observers", "fragile"]) == 2
    assert capsys.readouterr().err == (
        f"adcore: error: observer Fragile of acme-ad 1.5 failed in {hook}: ZeroDivisionError: by zero "
        f"({site / 'acme_fragile.py'}, line 7); mend it or leave it out of `observers`\n"
    )
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "end after" in log and ("ended by ObserverError: observer Fragile of acme-ad" in log or hook == "on_run_end")
    assert cli.main(["run", file, "--out", out, "--resume"]) == 0  # without it
    assert (tmp_path / "run" / "metrics.json").exists()
    assert log.count("fit: done") == (hook not in ("on_run_start", "on_epoch_end"))


def test_an_error_stays_in_sight_where_an_observer_fails_on_it(tmp_path, parts):
    def fail(hook, arguments):
        raise ZeroDivisionError(hook)

    with pytest.warns(AdcoreWarning) as warned, pytest.raises(UserError, match=r"context\.shots: 99"):
        watched(tmp_path / "run", recipe(parts, context={"shots": 99}), Everything(fail))
    assert ["on_error" in str(warned[0].message), "on_run_end" in str(warned[1].message)] == [True, True]


def test_check_finds_a_misspelt_hook(tmp_path, monkeypatch, capsys, write_distribution, parts):
    points = "[adcore.observer]\ntypo = acme_typo:Fragile\n"
    source = OBSERVER.format(hook="on_epoc_end")
    monkeypatch.syspath_prepend(write_distribution(tmp_path / "site", "acme-ad", points, acme_typo=source))

    assert cli.main(["check", write_recipe(tmp_path / "tiny.yaml", recipe(parts)), "--observers", "typo"]) == 2
    assert capsys.readouterr().err == (
        "adcore: error: observer Fragile of acme-ad 1.5: there is no hook 'on_epoc_end'; did you mean 'on_epoch_end'?\n"
    )
