"""An environment to try installations in: what this one has is there, and nothing that is done reaches it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

PROGRAMS = ("pip", "pytest", "adcore")

# The parent's packages, its editable installs too, come after what is installed here.
PARENT = "import site; list(map(site.addsitedir, {folders!r}))\n"

# As pip writes one.
PROGRAM = "#!{python}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"


class Sandbox:
    """A virtual environment over this one. Commands run in it find no network and build with what is here.

    Args:
        folder: new; the environment is made in it.
    """

    def __init__(self, folder: Path):
        venv.create(folder, symlinks=True)
        self.bin = folder / "bin"
        site = next(folder.glob("lib/python*/site-packages"))
        folders = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
        (site / "zz_parent.pth").write_text(PARENT.format(folders=folders))  # last: what is installed here is first
        for point in metadata.entry_points(group="console_scripts"):
            if point.name in PROGRAMS:
                program = self.bin / point.name
                program.write_text(PROGRAM.format(python=self.bin / "python", module=point.module, function=point.attr))
                program.chmod(0o755)

    def run(self, command: str, folder: Path) -> str:
        """Run a shell command that has to succeed; returns what it prints."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        return done.stdout

    def _environment(self) -> dict[str, str]:
        """What a shell in which the environment is active would have; no settings of whoever runs the tests."""
        theirs = ("PYTHON", "PYTEST", "PIP_", "COLUMNS", "FORCE_COLOR")
        return {key: value for key, value in os.environ.items() if not key.startswith(theirs)} | {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": str(self.bin.parent),
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip's word for: no isolation
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "OMP_NUM_THREADS": "1",
        }
