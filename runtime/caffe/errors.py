"""The error that a user of the runtime can cause."""


class CaffeError(Exception):
    """A wrong net, solver, file or call; one line that says where, what, and what was expected."""
