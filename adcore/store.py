"""Files of runs and models: written atomically, safetensors and JSON only, never pickle.

What deals with tensors imports torch when it is called: commands that only look at records are quick.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from adcore.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old content or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode())


def save_json(path: Path, value: Any) -> None:
    """Write JSON atomically, the same bytes for the same value."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def load_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; is this folder a model or run of adcore?") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); make it anew") from None


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors as safetensors, atomically."""
    write_bytes(path, tensor_bytes(tensors, metadata))


def tensor_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Tensors as the content of a safetensors file."""
    from safetensors.torch import save

    owned = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}
    content: bytes = save(owned, dict(metadata) if metadata else None)  # {} beside no tensors writes damage
    return content


def load_tensors(path: Path, only: Collection[str] | None = None) -> dict[str, Tensor]:
    """Read safetensors.

    Args:
        path: the file.
        only: names of the tensors that are wanted, where they are there; all by default.

    Raises:
        UserError: the file is missing or damaged.
    """
    from safetensors import safe_open

    if not path.is_file():
        raise UserError(f"{path}: no such file; is this folder a model or run of adcore?")
    try:
        with safe_open(path, "pt") as file:
            names = file.keys() if only is None else set(file.keys()) & set(only)
            return {name: file.get_tensor(name) for name in names}
    except Exception as error:  # safetensors raises its own error type for damage
        raise UserError(f"{path}: cannot be read as safetensors ({error}); make it anew") from None


def sha256(path: str | Path) -> str | None:
    """Hash of a file's content, or None where there is no such file (generated images)."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return None


def folder_name(label: str) -> str:
    """A category or context as one folder name that any file system takes and that gives the label back."""
    safe = quote(label, safe=" ()[]+,=@") or "%"
    return safe.replace(".", "%2E") if not safe.strip(".") else safe


def label_of(folder: str) -> str:
    """What `folder_name` made a folder's name of.

    >>> label_of(folder_name("line/1: ä"))
    'line/1: ä'
    """
    return "" if folder == "%" else unquote(folder)


def model_folder(folder: str | os.PathLike[str]) -> Path:
    """The model that a model folder is, or that a run folder holds.

    Raises:
        UserError: there is none, or it has no weights yet.
    """
    root = Path(folder)
    if not (root / "weights.safetensors").exists() and (root / "model" / "weights.safetensors").exists():
        root = root / "model"
    if not (root / "recipe.yaml").is_file():
        raise UserError(
            f"{root}: not a model folder (no recipe.yaml); name the folder runs/.../model of a finished run"
        )
    if not (root / "weights.safetensors").is_file():
        raise UserError(f"{root}: this model has no weights yet; finish its run with --resume")
    return root


def check_writable(folder: Path) -> None:
    """Make a folder and make sure that files can be written there.

    Raises:
        UserError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"--out {folder}: cannot write there ({error.strerror}); name a folder that you may write to"
        ) from None


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
