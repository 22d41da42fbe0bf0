"""Errors that a user can cause and fix, each one plain sentence."""

from __future__ import annotations


class MmercError(Exception):
    """Base class of the errors that a user can cause and fix."""


class StoppedError(MmercError):
    """The user stopped the work with Ctrl-C; the program exits with code 130."""


class UsageError(MmercError):
    """An invalid command or setting; the program exits with code 2."""


class InputError(MmercError):
    """Invalid input: position, problem and fix."""

    def __init__(self, where: object, problem: str, fix: str) -> None:
        super().__init__(f"{where}: {problem}; {fix}.")
        self.where = str(where)
        self.problem = problem
        self.fix = fix

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        return InputError, (
            self.where,
            self.problem,
            self.fix,
        )  # picklable, for worker processes

    def inside(self, where: object) -> InputError:
        """Return the error located inside ``where``, for example a line in its file."""
        return InputError(f"{where}, {self.where}", self.problem, self.fix)
