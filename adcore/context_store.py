"""A model's contexts on disk: one folder each, changed so that a reader sees the old or the new one, never a mixture.

A context's folder holds ``context.json`` and one folder with everything else, which the record names. A new version is
written beside the old one, then the record is replaced in one step, then the old version goes. A folder without a
record is no context. Nothing here imports torch until tensors are asked for.
"""

from __future__ import annotations

import hashlib
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from adcore.context import Context
from adcore.errors import UserError
from adcore.store import folder_name, label_of, load_json, load_tensors, save_json, tensor_bytes, write_bytes
from adcore.suggestions import did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

RECORD, STATE, THUMBNAILS = "context.json", "state.safetensors", "thumbnails"
LONGEST = 200
"""Characters of a context's folder; file systems stop at 255."""
PATIENCE = 600
"""Seconds to wait while another process changes contexts of the same model."""


class ContextStore:
    """The ``contexts`` folder of a model."""

    def __init__(self, folder: Path):
        """Open a store; the folder need not exist yet."""
        self.folder = folder

    def names(self) -> list[str]:
        """Names of all complete contexts, in order of their folders."""
        return [label_of(file.parent.name) for file in sorted(self.folder.glob(f"*/{RECORD}"))]

    def place(self, name: str) -> Path:
        """The folder of a context."""
        return self.folder / folder_name(name)

    def read(self, name: str) -> Context:
        """A context without its tensors and thumbnails.

        Raises:
            UserError: there is none of this name, or its record is damaged.
        """
        return self._read(name)[0]

    def load(self, name: str) -> Context:
        """A whole context.

        Raises:
            UserError: there is none of this name, or it is damaged.
        """
        while True:
            context, version = self._read(name)
            try:
                pictures = tuple(file.read_bytes() for file in sorted((version / THUMBNAILS).glob("*.jpg")))
                return replace(context.with_tensors(load_tensors(version / STATE)), thumbnails=pictures)
            except (UserError, OSError):
                if self._read(name)[1] == version:  # else it was replaced meanwhile
                    raise

    def tensor(self, name: str, key: str) -> Tensor | None:
        """One tensor of a context, as named by `Context.tensors`; None where it has none of this name."""
        while True:
            version = self._read(name)[1]
            try:
                return load_tensors(version / STATE, [key]).get(key)
            except UserError:
                if self._read(name)[1] == version:
                    raise

    def save(self, context: Context) -> None:
        """Write a context, in place of the one of its name.

        Raises:
            UserError: it cannot be written.
        """
        state, folder = tensor_bytes(context.tensors()), self.place(context.name)
        version = hashlib.sha256(b"".join([state, *context.thumbnails])).hexdigest()[:16]
        with self.locked():
            try:
                write_bytes(folder / version / STATE, state)
                for number, picture in enumerate(context.thumbnails):
                    write_bytes(folder / version / THUMBNAILS / f"{number:03d}.jpg", picture)
                save_json(folder / RECORD, {**context.record(), "version": version})
            except OSError as error:
                raise UserError(f"{folder}: cannot write there ({error.strerror})") from None
            _keep_only(folder, {RECORD, version})

    def remove(self, name: str) -> None:
        """Remove a context.

        Raises:
            UserError: there is none of this name.
        """
        with self.locked():
            self.read(name)
            (self.place(name) / RECORD).unlink()  # from here on it is no context
            shutil.rmtree(self.place(name))

    def rename(self, old: str, new: str) -> None:
        """Give a context another name, in one step.

        Raises:
            UserError: there is no context of the old name, or the new one cannot be used.
        """
        with self.locked():
            self.read(old)
            self.check_free(new)
            with suppress(FileNotFoundError):
                shutil.rmtree(self.place(new))  # left by a crash
            self.place(old).rename(self.place(new))

    def check_free(self, name: str) -> None:
        """Refuse names that cannot be used for a new context.

        Raises:
            UserError: the name is taken, or cannot be told from another, or cannot be a folder.
        """
        if not name.strip() or name.startswith("."):
            raise UserError(f"context name '{name}': write one that is not empty and does not start with a dot")
        if len(folder_name(name)) > LONGEST:
            raise UserError(f"context name '{name[:20]}...': too long, write a shorter one")
        for other in self.names():
            if other == name:
                raise UserError(f"{self.folder.parent}: has a context '{name}' already; extend or remove it, or rename")
            if _folded(other) == _folded(name):
                raise UserError(f"context name '{name}': not every file system can tell it from '{other}'")

    def size(self, name: str) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.place(name).rglob("*") if file.is_file())

    def changed(self, name: str) -> float:
        """When the context was written last, in seconds since 1970."""
        return (self.place(name) / RECORD).stat().st_mtime

    def thumbnails(self, name: str) -> Path:
        """The folder of a context's thumbnails."""
        return self._read(name)[1] / THUMBNAILS

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from changing contexts meanwhile.

        Raises:
            UserError: another process does not finish, or nothing can be written.
        """
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / ".lock", is_singleton=True)  # so it can be entered again inside
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            raise UserError(f"{self.folder}: another process has been changing contexts for {PATIENCE} s") from None
        except OSError as error:
            raise UserError(f"{self.folder}: cannot write there ({error.strerror})") from None
        try:
            yield
        finally:
            lock.release()

    def _read(self, name: str) -> tuple[Context, Path]:
        """A context's record, and the folder of the version that it is about."""
        folder = self.place(name)
        if not (folder / RECORD).is_file():
            known = self.names()
            there = f"there are: {', '.join(known)}{did_you_mean(name, known)}" if known else "it has none"
            raise UserError(f"{self.folder.parent}: no context '{name}'; {there}")
        record = load_json(folder / RECORD)
        try:
            return Context.of_record(name, record), folder / str(record["version"])
        except (KeyError, TypeError) as error:
            raise UserError(f"{folder / RECORD}: not a context of this adcore ({error}); make it anew") from None


def _keep_only(folder: Path, kept: set[str]) -> None:
    """Remove earlier versions, and what a crash left."""
    for entry in folder.iterdir():
        if entry.name not in kept:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
