"""The error that a user of the runtime can cause."""


class CaffeError(Exception):
    """A wrong net, solver, file or call; one line that says where, what, and what was expected."""

    def __str__(self):
        # Names come from files: what cannot be printed must not break the line or the terminal.
        text = super().__str__()
        if text.isprintable():
            return text
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
