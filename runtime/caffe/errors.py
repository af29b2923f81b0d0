"""The error that a user of the runtime can cause, and the names that it may suggest."""

from collections.abc import Iterable
from difflib import get_close_matches


class CaffeError(Exception):
    """A wrong net, solver, file or call; one line that says where, what, and what was expected."""

    def __str__(self):
        # Names come from files: what cannot be printed must not break the line or the terminal.
        text = super().__str__()
        if text.isprintable():
            return text
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def similar(name: str, known: Iterable[str]) -> list[str]:
    """Up to two known names of which `name` may be a misspelling, in whatever case."""
    folded = {other.lower(): other for other in known}
    # Less alike are fields and types of Caffe's forks, which are no misspellings.
    return [folded[near] for near in get_close_matches(name.lower(), folded, 2, cutoff=0.9)]
