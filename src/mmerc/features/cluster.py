"""The same extraction over a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mmerc.errors import MmercError
from mmerc.features.extraction import MakeExtractor, Task, take
from mmerc.features.store import FeatureRow


@dataclass(frozen=True, slots=True)
class RayEngine:
    """``count`` extractors somewhere in the cluster; files must lie where every node finds them."""

    count: int

    def __call__(self, tasks: Sequence[Task], make: MakeExtractor) -> Iterator[FeatureRow]:
        try:
            import ray
        except ImportError as error:
            problem = "--engine ray needs Ray; install it with: pip install 'mmerc[scale]'."
            raise MmercError(problem) from error
        data = ray.data.from_items([{"task": task} for task in tasks])
        done = data.map(Actor, fn_constructor_args=(make,), concurrency=self.count)
        for item in done.iter_rows():
            yield item["row"]


class Actor:
    """One extractor that lives as long as the run."""

    def __init__(self, make: MakeExtractor) -> None:
        self.extractor = make()

    def __call__(self, item: dict[str, Any]) -> dict[str, FeatureRow]:
        return {"row": take(self.extractor, item["task"])}
