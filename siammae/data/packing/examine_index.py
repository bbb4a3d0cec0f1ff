"""Read an index to its last byte: python -m siammae.data.packing.examine_index FILE.

A process of its own does so, because a damaged file may end it; see `index_check`.
"""

import sys
from pathlib import Path

from siammae.data.packing.index import Index, fingerprint_of


def examine(path: Path) -> str:
    """Return what is wrong with an index in one line; an empty text when nothing is."""
    try:
        index = Index.mapped(path)
        index.table.validate(full=True)
        if fingerprint_of(index.table) == index.fingerprint:
            return ""
        return "its content has another fingerprint than it says"
    except Exception as error:  # whatever Arrow and numpy make of damaged bytes
        return (str(error) or type(error).__name__).splitlines()[0]


if __name__ == "__main__":
    sys.exit(examine(Path(sys.argv[1])) or None)
