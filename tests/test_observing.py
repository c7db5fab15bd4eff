"""One object stands for all observers: names are checked at start, failures name their origin."""

from pathlib import Path

import pytest
from adcore_plugins.progress import Progress

from adcore.errors import UserError
from adcore.hooks import RunInfo
from adcore.interfaces import Observer
from adcore.observing import ObserverError, Observers


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


def test_a_failure_names_observer_and_hook_keeps_its_cause_and_does_not_deafen_the_others():
    log = []
    cause = ZeroDivisionError("by zero")
    observers = Observers([Broken(cause), Recorder(log)])
    with pytest.raises(ObserverError, match=r"Broken.* failed in on_progress: ZeroDivisionError: by zero") as caught:
        observers.on_progress(stage="test", done=1, total=2)
    assert caught.value.__cause__ is cause
    assert log == [("", "test", 1)]
    observers.on_error(error=cause)  # the failure is forgotten: the next event is delivered
    assert log[-1] == ("", cause)


def test_what_the_user_can_mend_and_an_interrupt_pass_as_they_are():
    for error in (UserError("install tensorboard"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught:
            Observers([Broken(error)]).on_progress(stage="test", done=1, total=2)
        assert caught.value is error
