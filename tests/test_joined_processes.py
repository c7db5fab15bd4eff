"""Training by two processes on this CPU: they agree, go by the mean of their gradients, and end together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing import active_children
from pathlib import Path

import pytest
import torch
from test_training import FEATURES, Fit, demo, equal
from tiny import TRAINING, recipe, run, snapshot, write_recipe

from adcore.cli import main
from adcore.devices import check_devices
from adcore.episodes import Episodes, keyed
from adcore.errors import UserError
from adcore.joined_processes import joined
from adcore.recipe import parse
from adcore.store import load_json, load_tensors
from adcore.trainable import Trainable, only_trained, seeded

TWO = TRAINING | {"devices": 2}


@pytest.fixture(scope="module", autouse=True)
def _processes_can_meet():
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=5).close()
    except OSError as error:
        pytest.skip(f"processes cannot meet on this machine: {error}")


class FitTogether(Fit):
    """A training by two processes of a recipe that is written to the folder."""

    def __init__(self, folder, **changes):
        super().__init__(folder, **changes)
        folder.mkdir(exist_ok=True)
        self.recipe = folder / "recipe.yaml"
        self.recipe.write_text(self.parsed.dump())

    def __call__(self, **told):
        torch.set_num_threads(1)
        with joined(self.runner, self.recipe, self.folder, self.sets) as self.trainer.fabric:
            return super().__call__(**told)


def test_a_step_goes_by_the_mean_of_the_gradients(tmp_path):
    """Of a batch each, drawn for the process: what Adam keeps after one step is a tenth of that mean."""
    settings = TWO | {"epochs": 1, "steps": 1, "backbone": "frozen"}
    FitTogether(tmp_path, head=FEATURES, training=settings)()
    kept = load_tensors(tmp_path / "last.safetensors")

    alone = Fit(tmp_path / "alone", head=FEATURES, training=settings)
    network = Trainable(alone.detector, train_backbone=False).train()
    episodes = Episodes(alone.sets, alone.images, alone.runner.synthesizers, alone.runner.training, 0, False)
    with only_trained(alone.detector, False):
        for turn in range(2):
            episode = episodes(turn)
            with seeded(keyed(0, turn, 5).initial_seed(), torch.device("cpu")):
                (network(episode.images, episode.masks, {}, keyed(0, turn, 7)) / 2).backward()
    for place, weight in enumerate(alone.detector.head.parameters()):
        assert weight.grad.abs().max() > 0
        torch.testing.assert_close(kept[f"optimizer.{place}.exp_avg"], weight.grad / 10)


def test_a_run_of_two_processes_ends_as_any_other(tmp_path):
    """Through the recipe: one record, a context that judges, and nothing left in the environment."""
    found = run(tmp_path, recipe(data=demo("fabric"), training=TWO))
    assert 0 <= found["mean"]["image.auroc"] <= 1 and "contrastive" in found["branches"]
    assert load_json(tmp_path / "fit" / "training.json")["steps_done"] == 4
    assert not {"MASTER_ADDR", "MASTER_PORT", "GLOO_SOCKET_IFNAME"} & {*os.environ}


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, {tests!r})
from test_joined_processes import FitTogether
kill = lambda done, total: done == {step} and os.kill(os.getpid(), signal.SIGKILL)
if __name__ == "__main__":
    FitTogether(Path({folder!r}), **{changes!r})(on_progress=kill)
"""


def helpers(folder):
    """Processes at work on the training of a folder, besides this one."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if f"ADCORE_TEST={folder}".encode() in environment:
            found.append(process.name)
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by /proc")
def test_a_killed_training_takes_its_helper_along_and_goes_on_bit_for_bit(tmp_path):
    """By SIGKILL of the leader in the second epoch. Early stopping, moments and the record are as if nobody had."""
    changes = {"head": FEATURES, "training": TWO | {"epochs": 3, "steps": 3, "patience": 2, "checkpoint_steps": 2}}
    program = tmp_path / "program.py"
    program.write_text(
        KILLED.format(tests=os.path.dirname(__file__), folder=str(tmp_path / "parts"), changes=changes, step=5)
    )
    environment = os.environ | {"ADCORE_TEST": str(tmp_path)}
    assert subprocess.run([sys.executable, str(program)], env=environment, timeout=300).returncode == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while helpers(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not helpers(tmp_path)

    steps = []
    resumed = FitTogether(tmp_path / "parts", **changes)(on_progress=lambda done, total: steps.append(done))
    whole = FitTogether(tmp_path / "whole", **changes)()
    assert steps[0] > 4 and equal(resumed.weights(), whole.weights())
    assert snapshot(tmp_path / "parts") == snapshot(tmp_path / "whole")


def test_what_a_helper_meets_is_said_in_one_line(tmp_path, capsys):
    """Before training, and in it: a helper reads by itself, and its recipe is another one here."""
    fit = FitTogether(tmp_path, head=FEATURES, training=TWO)
    fit.recipe.write_text(parse(recipe(str(tmp_path), head=FEATURES, training=TWO)).dump())
    with pytest.raises(UserError, match=r"demo/fabric/train/good/\d+\.png: no such image"):
        fit()
    fit.recipe.write_text(parse(recipe(str(tmp_path), head=FEATURES, training=TWO, image_size=4)).dump())
    with pytest.raises(UserError, match="image_size: 4 is too small"):
        fit()
    assert "Traceback" not in capsys.readouterr().err


def test_a_helper_that_is_killed_ends_training_with_advice(tmp_path):
    fit = FitTogether(tmp_path, head=FEATURES, training=TWO)
    with pytest.raises(
        UserError, match="a process that helps was ended by signal 9, as where memory runs short; --resume"
    ):
        fit(on_progress=lambda done, total: [helper.kill() for helper in active_children()])


def test_all_stop_where_the_loss_is_no_number(tmp_path):
    fit = FitTogether(tmp_path, head=FEATURES, training=TWO | {"learning_rate": 1e30, "steps": 4})
    with pytest.raises(UserError, match=r"the loss became nan in epoch 1; lower training\.learning_rate"):
        fit()


def test_a_script_without_a_guard_is_told(tmp_path):
    """Where starting a process runs the script again, the helper ends at once; nobody waits for it."""
    content = recipe(data=demo("fabric"), head=FEATURES, training=TWO)
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {os.path.dirname(__file__)!r})\nfrom pathlib import Path\n"
        f"from tiny import run\nrun(Path({str(tmp_path / 'run')!r}), {content!r})\n"
    )
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1
    assert (
        "training.devices: a process that was to help ended at once; start training from a script with" in ended.stderr
    )


def test_devices_that_are_not_there_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    check_devices(2, torch.device("cuda:1"))
    check_devices(64, torch.device("cpu"))
    with pytest.raises(UserError, match=r"training\.devices: from cuda:2 on there are 1 CUDA devices, 2 are asked for"):
        check_devices(2, torch.device("cuda:2"))
    monkeypatch.undo()
    path = write_recipe(tmp_path / "tiny.yaml", recipe(training=TRAINING | {"devices": 0}))
    assert main(["check", path]) == 2
    assert "training.devices: 0 is too small; write at least 1" in capsys.readouterr().err
