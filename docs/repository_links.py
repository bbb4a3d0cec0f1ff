"""A hook of MkDocs: links to files of the repository, and CONTRIBUTING.md as a page of the site.

On a code host ``[x](../experiments/decoder.yaml)`` opens the file. The site holds the pages only,
so there such a link becomes the file's path. A link to a file that does not exist is reported, and
that ends a strict build.
"""

import logging
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
ELSEWHERE = re.compile(r"^[a-z]+:")  # https: and such
log = logging.getLogger("mkdocs.plugins.repository_links")


def on_files(files: Files, config: Any) -> Files:
    """Add CONTRIBUTING.md as a page of the site."""
    root = Path(config.config_file_path).parent
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "contributing.md", content=text.replace("](docs/", "](")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Replace links that leave the pages by links within the site, or by the file's path."""
    root = Path(config.config_file_path).parent.resolve()
    generated = page.file.src_uri == "contributing.md"
    folder = root if generated else (root / "docs" / page.file.src_uri).parent

    def replace(link: re.Match[str]) -> str:
        target, text = link["target"], link["text"]
        if ELSEWHERE.match(target) or files.get_file_from_path(target):
            return link[0]
        path = (folder / target).resolve()
        if not path.exists() or not path.is_relative_to(root):
            log.warning("%s: no such file in the repository: %s", page.file.src_uri, target)
            return link[0]
        name = path.relative_to(root).as_posix()
        if name == "CONTRIBUTING.md":
            return f"[{text}](contributing.md{link['anchor'] or ''})"
        return f"`{name}`" if text.strip("`/") in name else f"{text} (`{name}`)"

    return LINK.sub(replace, markdown)
