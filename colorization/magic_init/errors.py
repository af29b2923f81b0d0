"""The error of the initialisation."""

from colorization.errors import ColorizationError


class MagicInitError(ColorizationError):
    """A net that cannot be initialised; the message is one line."""
