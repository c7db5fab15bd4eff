"""The one error that is the user's to mend: printed as one line, exit code 2."""

from __future__ import annotations


class UserError(Exception):
    """Something the user asked for cannot be done; the message says what, where, and what to do instead.

    The command line prints it as one line and exits with code 2. Code that embeds adcore catches it like any other
    exception.
    """

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))


class AdcoreWarning(UserWarning):
    """A result is still valid but weaker than asked for; shown to the user and kept in the run's log."""
