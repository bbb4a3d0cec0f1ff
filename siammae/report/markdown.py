"""Markdown of tables and reports, in which the text of records is text and nothing else."""

import re

from siammae.system.foreign_text import one_line


def escaped(text: str) -> str:
    """Return a text such that GitHub's Markdown shows it as it is.

    No HTML, link, picture or break of a row comes of it; only marks of emphasis keep their meaning.
    """
    text = one_line(text).replace("\\", "\\\\").replace("|", "\\|")
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;")
    return re.sub(r"\](?=[\[(:])", r"]\\", text)


def grid(heads: list[str], lines: list[list[str]]) -> str:
    """Return rows of text, which is `escaped` where it needs it, as a table."""
    rows = [heads, ["---", *["---:"] * (len(heads) - 1)], *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
