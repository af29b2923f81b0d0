"""The error of the initialisation."""


class MagicInitError(Exception):
    """A net that cannot be initialised; the message is one line."""
