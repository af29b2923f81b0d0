"""What the errors of this project have in common; each is defined where it is raised."""


class ColorizationError(Exception):
    """What a user can put right, in one line: what, where, and what was expected."""


class UsageError(ColorizationError):
    """A wrong option or input, found before the work begins."""


def one_line(error: BaseException) -> str:
    """Return what an error says, in one line; for one of the system, the file it is about first."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(text.split()) or type(error).__name__
