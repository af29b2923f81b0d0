"""The error that a user of the runtime can cause, where it is, and names that it may suggest."""

import re
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


class LayerPlaces:
    """Where the layers of a net stand in its file `source`, for errors.

    `lines` are those of the layers in the file, and layer i of the net is number `origin[i]` of
    these, or None if the file does not have it.
    """

    def __init__(self, source: str, lines: list, count: int):
        self.source, self._lines = source, lines
        self._origin: list = list(range(count))

    def move(self, indices: list) -> None:
        """Follow a change of the net: its layer i was number indices[i], or is new if None."""
        self._origin = [None if i is None else self._origin[i] for i in indices]

    def located(self, index: int, layer_param, error: "Exception | str") -> CaffeError:
        """The error with file, line, layer name and type before it."""
        origin = self._origin[index]
        line = f":{self._lines[origin]}" if origin is not None and origin < len(self._lines) else ""
        layer = f'layer "{layer_param.name}" ({layer_param.type})'
        return CaffeError(f"{self.source}{line}: {layer}: {error}")

    def naming(self, index: int, layer_param) -> "_Naming":
        """A context in which errors tell their place; those of Python layers keep their type.

        A lack of memory becomes a CaffeError.
        """
        return _Naming(self, index, layer_param)


class _Naming:
    def __init__(self, places: LayerPlaces, index: int, layer_param):
        self._places, self._index, self._layer_param = places, index, layer_param

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        lack = lack_of_memory(error)
        if lack or isinstance(error, CaffeError):
            raise self._located(lack or error) from error
        if isinstance(error, (Exception, SystemExit)):
            error.located = self._located(_words(error))
        if isinstance(error, Exception):
            located = str(self._located(str(error) or kind.__name__))
            if len(error.args) < 2:
                error.args = (located,)
            elif hasattr(error, "add_note"):  # the arguments of others have meanings
                error.add_note(located)

    def _located(self, error: "Exception | str") -> CaffeError:
        return self._places.located(self._index, self._layer_param, error)


def lack_of_memory(error: "BaseException | None") -> "CaffeError | None":
    """What numpy's, Python's or torch's error of missing memory, on the host or a GPU, says."""
    torchs = type(error).__name__ == "OutOfMemoryError"  # without an import of torch
    unallocated = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    if not (isinstance(error, MemoryError) or torchs or unallocated):
        return None
    found = re.search(r"\d[\d.]* (bytes|[KMGTPE]iB)", str(error))
    amount = found[0] if found else "a lot"
    return CaffeError(f"needs {amount} of memory, more than there is")


def _words(error: BaseException) -> str:
    """What an error says, with its type if that says more."""
    text, kind = str(error), type(error)
    if not text:
        return kind.__name__
    return text if kind in (Exception, ValueError) else f"{kind.__name__}: {text}"


def told(error: BaseException) -> "BaseException | None":
    """The error for a user who sees one line of it; None for a defect of the runtime."""
    known = isinstance(error, (CaffeError, OSError, ValueError))
    return getattr(error, "located", error if known else None)


def similar(name: str, known: Iterable[str]) -> list[str]:
    """Up to two known names of which `name` may be a misspelling, in whatever case."""
    folded = {other.lower(): other for other in known}
    # Less alike are fields and types of Caffe's forks, which are no misspellings.
    return [folded[near] for near in get_close_matches(name.lower(), folded, 2, cutoff=0.9)]
