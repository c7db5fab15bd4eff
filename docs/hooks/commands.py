"""mkdocs hook: what every command prints for ``--help``, on the page of the command line."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
from unittest.mock import patch

from mkdocs.structure.pages import Page

from adcore.cli import COMMANDS, main

MARK = "<!-- every command's help -->"


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Put a list of the commands, and a section for each, in place of the mark."""
    if MARK not in markdown:
        return markdown
    rows = [f"| [`adcore {command}`](#{command}) | {does} |" for command, does in COMMANDS.items()]
    table = "\n".join(["| command | does |", "|---|---|", *rows])
    return markdown.replace(MARK, "\n\n".join([table, *map(section, COMMANDS)]))


def section(command: str) -> str:
    """A command's help under its name, and that of each of its actions."""
    actions = getattr(importlib.import_module(f"adcore.cli.{command}"), "ACTIONS", ())
    pages = [help_of(command), *(help_of(command, action) for action in actions)]
    return f"## adcore {command} {{ #{command} }}\n\n" + "\n\n".join(f"```text\n{page}\n```" for page in pages)


def help_of(*command: str) -> str:
    """What ``adcore COMMAND --help`` prints on a terminal of 88 columns."""
    text = io.StringIO()
    with patch.dict(os.environ, COLUMNS="88"), contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main([*command, "--help"])
    return text.getvalue().strip()
