"""What a user can cause, told in one plain sentence."""

from __future__ import annotations


class MmercError(Exception):
    """A failure that a user can cause and fix; its message is one plain sentence."""


class UsageError(MmercError):
    """A command or a setting that cannot be meant: the program leaves with exit code 2."""


class InputError(MmercError):
    """Something that was read is not as it should be: where, what, and how to fix it."""

    def __init__(self, where: object, problem: str, fix: str) -> None:
        super().__init__(f"{where}: {problem}; {fix}.")
        self.where = str(where)
        self.problem = problem
        self.fix = fix

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        return InputError, (self.where, self.problem, self.fix)  # as it comes back from a worker

    def inside(self, where: object) -> InputError:
        """Return the same finding, placed inside ``where`` (a file around a line, say)."""
        return InputError(f"{where}, {self.where}", self.problem, self.fix)
