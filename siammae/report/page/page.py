"""Writes one page with all tables that needs no network: fonts, scripts and pictures are within.

Its policy for the browser allows nothing but its own script and style, by their hash, and pictures
that are in the page: what a label may contain can neither run nor load.
"""

import base64
import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from siammae.report.figures.drawn import Drawn
from siammae.tracking.provenance import provenance
from siammae.tracking.record import write_atomic

TEMPLATES = Path(__file__).parent / "templates"
NAME = "index.html"
CSS_DPI = 96  # pixels of a page in an inch
WIDE = 850  # pixels: a picture that has a row for itself


@dataclass(frozen=True)
class Link:
    """A file or folder with a text; one that is not there is named without a link."""

    path: Path
    text: str
    note: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell of a table on the page.

    text: as in the other forms of the table.
    value: by which to sort; None comes last.
    best: whether to stand out.
    aside: small, below the text.
    facts: what is behind the figure; links: the runs behind it.
    """

    text: str
    value: float | str | None
    best: bool = False
    aside: str = ""
    facts: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


@dataclass(frozen=True)
class Grid:
    """A table of cells, in which ``numeric`` says for each column whether its values are numbers.

    rows: to be sorted; last: those that stay below them. heading: of one of several.
    """

    heads: list[str]
    numeric: list[bool]
    rows: list[list[Cell]]
    last: list[list[Cell]] = field(default_factory=list)
    heading: str = ""


@dataclass(frozen=True)
class Section:
    """A table, in one grid or several, with all that belongs to it.

    files: its other forms. runs: all its runs, also those that are in no figure.
    """

    name: str
    question: str
    grids: list[Grid]
    caption: str
    notes: list[str]
    files: list[Path]
    drawn: list[Drawn] = field(default_factory=list)
    runs: Grid | None = None


def write_page(out: Path, sections: list[Section], notes: list[str]) -> Path:
    """Write ``index.html`` into a folder that is there; links in it are relative to the folder.

    ``notes`` name what has no section.
    """
    path = out / NAME
    write_atomic(path, page(out, sections, notes))
    return path


def page(out: Path, sections: list[Section], notes: list[str]) -> str:
    """Return the page as text, for a file in the folder ``out``."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(picture=_picture, pixels=_pixels, href=lambda path: _href(out, path))
    style, script = ((TEMPLATES / name).read_text() for name in ("page.css", "sort.js"))
    facts, _ = provenance()
    return environment.get_template("page.html").render(
        sections=list(zip(_anchors(sections), sections, strict=True)),
        notes=notes,
        wide=WIDE,
        made=datetime.now().astimezone(),
        code=facts["code_version"],
        git=facts["git"],
        style=Markup(style),  # a file of ours
        script=Markup(script),
        policy=(
            f"default-src 'none'; img-src data:; style-src {_hash(style)}; "
            f"script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
        ),
    )


def _anchors(sections: list[Section]) -> list[str]:
    """Return an anchor for each table from its name; repeated names get a number."""
    seen: Counter[str] = Counter()
    anchors = []
    for section in sections:
        anchor = re.sub(r"[^\w.-]", "_", section.name)
        seen[anchor] += 1
        anchors.append(anchor if seen[anchor] == 1 else f"{anchor}.{seen[anchor]}")
    return anchors


def _href(out: Path, path: Path) -> str | None:
    """Return the address of a file or folder as seen from the page; None when it is not there."""
    if not path.exists():
        return None
    try:
        relative = Path(os.path.relpath(path, out)).as_posix()
    except ValueError:  # on another drive
        return path.resolve().as_uri()
    end = "/" if path.is_dir() else ""
    return "/".join(quote(part, safe="") for part in relative.split("/")) + end


def _picture(path: Path) -> str:
    """Return a PNG as an address that contains its data."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _pixels(path: Path) -> tuple[int, int]:
    """Return width and height of a PNG in pixels of a page, by its size in inches."""
    with Image.open(path) as picture:
        width, height = picture.size
        dpi = picture.info.get("dpi", (CSS_DPI, CSS_DPI))[0]
    return round(width * CSS_DPI / dpi), round(height * CSS_DPI / dpi)


def _hash(text: str) -> str:
    """Return the hash by which the page's security policy names a script or style within it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
