"""Text without characters that a terminal obeys, whoever wrote it."""

import unicodedata

# Control characters, of which some move a terminal's cursor or change the direction of text, halves
# of surrogates, which no file can hold, and breaks that are no line feed.
UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def printable(text: str) -> str:
    """Return a text whose characters can all be seen: ``\\x1b`` stands for an escape.

    Line feeds and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode()
        if unicodedata.category(c) in UNSEEN and c not in "\n\t"
        else c
        for c in text
    )
