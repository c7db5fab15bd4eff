"""Run folders: one holds one run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from adcore.errors import UserError


def claim(out: Path, resolved: Mapping[str, Any], resume: bool) -> None:
    """Refuse to mix two runs in one folder. Observers only watch: a run may be resumed without one, or with another.

    Args:
        out: the folder.
        resolved: the recipe that is to run there.
        resume: whether it is to go on with the run there.

    Raises:
        UserError: another run is there, or one and it is not to be resumed.
    """
    recipe = out / "recipe.yaml"
    if resume and recipe.exists():
        earlier = yaml.safe_load(recipe.read_text(encoding="utf-8")) or {}
        if {**earlier, "observers": None} != {**resolved, "observers": None}:
            raise UserError(
                f"--resume {out}: the run there was made from another recipe; use its {recipe}, or another --out"
            )
    if not resume and recipe.exists():
        state = "a finished" if (out / "metrics.json").exists() else "an unfinished"
        raise UserError(f"--out {out}: holds {state} run; add --resume to continue it, or name another folder")
