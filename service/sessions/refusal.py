"""What a worker refuses, by the code that the answer will have."""

from __future__ import annotations


class Refused(Exception):
    """A command that is not done; the session is as it was."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code, self.detail = code, detail


class Broken(Refused):
    """A session that cannot go on: its simulator failed, or its past cannot be brought back."""
