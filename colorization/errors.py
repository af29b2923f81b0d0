"""What the errors of this project have in common; each is defined where it is raised."""


class ColorizationError(Exception):
    """What a user can put right, in one line: what, where, and what was expected."""


class UsageError(ColorizationError):
    """A wrong option or input, found before the work begins."""
