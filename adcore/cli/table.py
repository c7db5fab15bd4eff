"""Tables in plain text."""

from __future__ import annotations

import shutil
from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Align columns; empty ones are left out, the last one is cut at the width of the terminal.

    >>> print(table(("kind", "name"), [("head", "focal"), ("clusterer", "kmeans")]))
    kind       name
    head       focal
    clusterer  kmeans
    """
    width = width or shutil.get_terminal_size((160, 0)).columns
    columns = [column for column in zip(header, *rows, strict=True) if any(column[1:])]
    sizes = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join(cell.ljust(size) for cell, size in zip(row, sizes, strict=True)) for row in zip(*columns, strict=True)
    ]
    return "\n".join(line.rstrip() if len(line.rstrip()) <= width else line[: width - 3] + "..." for line in lines)
