"""Progress is a bar on a terminal and plain lines elsewhere."""

import io
import sys
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from adcore_plugins.progress import Progress

from adcore.hooks import RunInfo
from adcore.observing import Observers


class Terminal(io.StringIO):
    def isatty(self):
        return True


def watch(quiet=False, error=None):
    observers = Observers([Progress(quiet=quiet)])
    observers.on_run_start(run=RunInfo(Path("out"), {}, ["bolt"]))
    observers.on_stage_start(stage="fit", total=4)
    for step in range(1, 5):
        observers.on_progress(stage="fit", done=step, total=4)
    metrics = {"train.loss": 0.25, "train.learning_rate": 0.001, "val.pixel.f1": 0.5}
    observers.on_epoch_end(epoch=1, epochs=1, metrics=metrics)
    observers.on_message(level="warning", text="few [red]images[/red]\nhere")
    observers.on_message(level="info", text="best epoch 1")
    if error:
        observers.on_error(error=error)
    else:
        observers.on_stage_end(stage="fit", seconds=63.2)
    observers.on_run_end(seconds=64.0)


def test_in_a_pipe_one_plain_line_per_stage_and_message(capsys):
    watch()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "warning: few [red]images[/red] here",
        "best epoch 1",
        "fit done in 1 min 3 s (epoch 1/1 loss 0.250 f1 0.500)",
    ]


def test_quiet_leaves_the_warnings(capsys):
    watch(quiet=True)
    assert capsys.readouterr().err == "warning: few [red]images[/red] here\n"


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


def test_on_a_terminal_a_bar_with_count_and_the_epochs_figures(terminal):
    with redirect_stderr(terminal):
        watch()
    shown = terminal.getvalue()
    assert "4/4" in shown and "epoch 1/1 loss 0.250 f1 0.500" in shown
    assert "warning: few [red]images[/red] here" in shown and "done in" not in shown


@pytest.mark.parametrize("error", [None, KeyboardInterrupt()])
def test_the_cursor_comes_back_at_the_end_and_after_an_error(terminal, error):
    with redirect_stderr(terminal):
        stdout = sys.stdout
        watch(error=error)
        assert sys.stdout is stdout and sys.stderr is terminal
    shown = terminal.getvalue()
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_a_dumb_terminal_gets_plain_lines(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with redirect_stderr(terminal):
        watch()
    assert "\x1b" not in terminal.getvalue() and "fit done in" in terminal.getvalue()


def test_a_stage_without_steps_and_a_resumed_one(terminal):
    observers = Observers([Progress()])
    with redirect_stderr(terminal):
        observers.on_run_start(run=RunInfo(Path("out"), {}, ["bolt"], resumed=True))
        observers.on_stage_start(stage="calibrate", total=0)
        observers.on_stage_end(stage="calibrate", seconds=0.0)
        observers.on_stage_start(stage="fit", total=100)
        observers.on_progress(stage="fit", done=90, total=100)
        observers.on_run_end(seconds=1.0)
    assert "90/100" in terminal.getvalue()


def test_figures_with_equal_last_words_are_told_apart(capsys):
    observers = Observers([Progress()])
    observers.on_epoch_end(epoch=2, epochs=3, metrics={"val.pixel.auroc": 0.9, "val.image.auroc": 0.8})
    observers.on_stage_end(stage="fit", seconds=1.0)
    assert "pixel.auroc 0.900 image.auroc 0.800" in capsys.readouterr().err
