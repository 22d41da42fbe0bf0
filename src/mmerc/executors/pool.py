"""The interface of the engines: submitting items, and reporting lost workers."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from mmerc.errors import MmercError

_Item = TypeVar("_Item")
_Outcome = TypeVar("_Outcome")


class WorkerLostError(MmercError):
    """A worker process ended before its item was finished."""

    def __init__(self) -> None:
        super().__init__(
            "A worker process was killed from outside (out of memory, perhaps); finished work is "
            "kept, so run the same command again (train: with --resume) with fewer --jobs."
        )


class NodeLostError(WorkerLostError):
    """The machine of a worker was lost; the item is not the cause."""


class Pool(Protocol):
    """Workers of an engine; ``breaks``: whether the loss of one ends the others."""

    breaks: ClassVar[bool]

    def submit(self, function: Callable[[_Item], _Outcome], item: _Item) -> Future[_Outcome]:
        """Queue one item."""
        ...

    def failure(self, error: BaseException) -> BaseException:
        """Return the exception of ``function``, or WorkerLostError."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared(Generic[_Item, _Outcome]):
    """A function that each worker process prepares once, for its first item."""

    token: str
    prepare: Callable[[], Callable[[_Item], _Outcome]]

    @classmethod
    def create(
        cls, prepare: Callable[[], Callable[[_Item], _Outcome]]
    ) -> Prepared[_Item, _Outcome]:
        return cls(uuid.uuid4().hex, prepare)

    def __call__(self, item: _Item) -> _Outcome:
        function = _prepared.get(self.token)
        if function is None:
            _prepared.clear()
            function = _prepared[self.token] = self.prepare()
        outcome: _Outcome = function(item)
        return outcome


_prepared: dict[str, Callable[[Any], Any]] = {}  # the current function, per worker process
