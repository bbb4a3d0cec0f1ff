"""Which known name somebody may have meant who typed an unknown one."""

import difflib
from collections.abc import Sequence


def nearest(name: str, known: Sequence[str], group: str = "") -> str:
    """Return `` (did you mean 'x'?)`` with the closest of the known names, or an empty text.

    A name that is a part of a known one, or has it as a part, counts as close: ``lr`` is a part of
    ``base_lr``. With a group the name is given as a key of it.
    """
    close = difflib.get_close_matches(name, known, n=1)
    if not close:
        words = set(name.split("_"))
        close = [other for other in known if words & set(other.split("_"))]
    prefix = f"{group}." if group else ""
    return f" (did you mean '{prefix}{close[0]}'?)" if close else ""
