"""mkdocs hook: files of the repository as pages of the site."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGES = {"contributing.md": "CONTRIBUTING.md", "changes.md": "CHANGELOG.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages; links to other files of the repository, which the site has not, become plain text."""
    root = Path(config.config_file_path).parent
    for page, source in PAGES.items():
        text = (root / source).read_text(encoding="utf-8")
        text = re.sub(r"\[([^\]\n]+)\]\((?!https?:|#)[^)\s]+\)", r"\1", text)
        files.append(File.generated(config, page, content=text))
    return files
