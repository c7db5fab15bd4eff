"""Training by several processes, each on a device of its own: this one leads, the others help.

All is as in one process, but that each has batches of its own and a step goes by the mean of their gradients. The
leader alone validates, saves and tells observers; helpers build the recipe anew and follow.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment, find_free_network_port
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import distributed

from adcore.errors import UserError
from adcore.images import Images
from adcore.recipe import parse
from adcore.runner import Runner
from adcore.trainable import one_device
from adcore.training import Trainer
from adcore.training_set import TrainingSet

LEADER, HOST = 0, "127.0.0.1"

WHERE = ("MASTER_ADDR", "MASTER_PORT", "GLOO_SOCKET_IFNAME")
"""Variables of the environment that tell torch where processes meet; Lightning writes the first two."""

PATIENCE = 10.0
"""Seconds that a helper has to end when training has."""


@contextmanager
def joined(runner: Runner, recipe: Path, folder: Path, sets: Mapping[str, TrainingSet]) -> Iterator[Fabric]:
    """What a `Trainer` computes with: the recipe's device or, with `training.devices`, several joined processes.

    On a CPU they share out the threads. Helpers end when the block does, and when this process is killed.

    Args:
        runner: of the recipe.
        recipe: its file, from which helpers build theirs.
        folder: of checkpoints.
        sets: what the categories offer.

    Raises:
        UserError: a helper could not begin, met an error of its own, or was ended.
    """
    settings, device = runner.training, runner.torch_device()
    if settings.devices == 1:
        yield one_device(device, settings.precision)
        return
    threads = torch.get_num_threads()
    share = max(1, threads // settings.devices) if device.type == "cpu" else threads
    with _meeting_here(), _helpers(settings.devices - 1, (share, recipe, folder, sets)) as helpers:
        torch.set_num_threads(share)
        try:
            yield _joined_fabric(runner, LEADER, _tell_port(helpers))
        except UserError:
            raise
        except Exception as error:  # where a helper failed, its connection did too
            raise _failure(helpers) or error from None
        finally:
            torch.set_num_threads(threads)
            if distributed.is_initialized():
                distributed.destroy_process_group()


@contextmanager
def _meeting_here() -> Iterator[None]:
    """Processes meet within this machine, whatever its name resolves to; the environment is afterwards as before."""
    before = {name: os.environ.get(name) for name in WHERE}
    loopback = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    try:
        if loopback:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback[0])
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@dataclass(frozen=True)
class _Helper:
    """A process beside this one, and what it says: None once it is ready, the words of an error if it fails."""

    process: BaseProcess
    words: Connection


@contextmanager
def _helpers(count: int, work: tuple[Any, ...]) -> Iterator[list[_Helper]]:
    """Helpers at work, ended with the block."""
    context, helpers = get_context("spawn"), list[_Helper]()
    try:
        for place in range(1, count + 1):
            here, there = context.Pipe()
            process = context.Process(target=_help, args=(place, there, os.getcwd(), *work), daemon=True)
            process.start()
            there.close()
            helpers.append(_Helper(process, here))
        yield helpers
        for helper in helpers:
            helper.process.join(PATIENCE)
    finally:
        for helper in helpers:
            helper.process.kill()
            helper.process.join()
            helper.words.close()


def _tell_port(helpers: list[_Helper]) -> int:
    """The port at which all meet, told to every helper once it is ready to meet there.

    Raises:
        UserError: one ended before.
    """
    for helper in helpers:
        try:
            words = helper.words.recv()
        except EOFError:
            raise UserError(
                "training.devices: a process that was to help ended at once; start training from a script with "
                "`if __name__ == '__main__':`, or write training.devices: 1"
            ) from None
        if words is not None:
            raise UserError(words)
    port = find_free_network_port()
    for helper in helpers:
        helper.words.send(port)
    return port


def _failure(helpers: list[_Helper]) -> UserError | None:
    """What made a helper end, if one did."""
    for helper in helpers:
        helper.process.join(1.0)  # its connections end before it does
        with suppress(EOFError, OSError):
            if helper.words.poll():
                return UserError(helper.words.recv())
        if code := helper.process.exitcode:
            how = f"was ended by signal {-code}, as where memory runs short" if code < 0 else f"ended with code {code}"
            what = f"training.devices: a process that helps {how}"
            return UserError(f"{what}; --resume goes on from the last checkpoint")
    return None


def _help(
    place: int,
    leader: Connection,
    working: str,
    threads: int,
    recipe: Path,
    folder: Path,
    sets: Mapping[str, TrainingSet],
) -> None:
    """What a helper does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the leader's to answer
    Thread(target=_end_with_leader, daemon=True).start()
    warnings.simplefilter("ignore")  # the leader gives the same ones
    os.chdir(working)
    try:
        torch.set_num_threads(threads)
        runner = parse(recipe).build()
        detector = runner.detector()
        images = Images(runner.data, detector.image_size)
        leader.send(None)
        fabric = _joined_fabric(runner, place, leader.recv())
        detector.to(fabric.device)
        trainer = Trainer(detector, images, runner.synthesizers, runner.training, runner.seed, folder, fabric)
        trainer.fit(sets, lambda done, total: None, lambda epoch, epochs, metrics: None)
        distributed.destroy_process_group()
    except UserError as error:
        leader.send(str(error))
        sys.exit(2)


def _end_with_leader() -> None:
    """End this process when the one that started it has ended, however."""
    leader = parent_process()
    if leader is not None:
        connection.wait([leader.sentinel])
        os._exit(1)


class _Place(LightningEnvironment):
    """The place of one process among those started here."""

    def __init__(self, place: int, port: int):
        super().__init__()
        self._place, self._port = place, port

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return HOST

    @property
    def main_port(self) -> int:
        return self._port

    def local_rank(self) -> int:
        return self._place

    def node_rank(self) -> int:
        return 0


def _joined_fabric(runner: Runner, place: int, port: int) -> Fabric:
    """What Lightning needs to train in one of several processes; returns when all have met at the port."""
    settings, device = runner.training, runner.torch_device()
    first = device.index or 0
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # not that processes have met
    fabric = Fabric(
        accelerator=device.type,
        devices=settings.devices if device.type == "cpu" else [*range(first, first + settings.devices)],
        strategy=DDPStrategy(),
        plugins=[_Place(place, port)],
        precision=settings.precision,
    )
    fabric.launch()
    return fabric
