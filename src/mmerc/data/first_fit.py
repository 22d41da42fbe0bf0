"""Place items of different lengths into rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush


@dataclass(slots=True)
class Row:
    """A row with space for ``size`` tokens; ``items`` are the positions of its items."""

    size: int
    items: list[int] = field(default_factory=list)


def place_first_fit(lengths: Sequence[int], *, size_of_row: Callable[[int], int]) -> list[Row]:
    """Place items, longest first, into the first row with enough space.

    An item that fits nowhere starts a row of ``size_of_row(length)`` tokens. The time is
    proportional to the number of items.
    """
    rows: list[Row] = []
    # for each number of free tokens, the rows with it, the first on top
    rooms: list[list[int]] = []
    for item in sorted(range(len(lengths)), key=lambda item: -lengths[item]):
        length = lengths[item]
        fitting = [(heap[0], length + n) for n, heap in enumerate(rooms[length:]) if heap]
        if fitting:
            number, room = min(fitting)
            heappop(rooms[room])
        else:
            number, room = len(rows), size_of_row(length)
            rows.append(Row(room))
            rooms.extend([] for _ in range(room + 1 - len(rooms)))
        rows[number].items.append(item)
        heappush(rooms[room - length], number)
    return rows
