"""The same extraction over a Ray cluster."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mmerc.errors import MmercError
from mmerc.features.extraction import MakeExtractor, Task, crashed, take
from mmerc.features.store import FeatureRow


@dataclass(frozen=True, slots=True)
class RayEngine:
    """``count`` extractors somewhere in the cluster; files must lie where every node finds them.

    A task that kills its process takes its block and all that waits for that process with it; what
    was lost is tried again one by one, and only what is lost then too is absent.
    """

    count: int

    def __call__(self, tasks: Sequence[Task], make: MakeExtractor) -> Iterator[FeatureRow]:
        left = {task.key: task for task in tasks}
        for alone in (False, True):
            for row in self.rows(list(left.values()), make, alone=alone):
                del left[row.conversation, row.utterance]
                yield row
            if not left:
                return
        yield from map(crashed, left.values())

    def rows(
        self, tasks: Sequence[Task], make: MakeExtractor, *, alone: bool
    ) -> Iterator[FeatureRow]:
        """Rows as the cluster finishes them; tasks whose block was lost have none."""
        ray = quiet_ray()
        data = ray.data.from_items(
            [{"task": task} for task in tasks],
            override_num_blocks=len(tasks) if alone else None,
        )
        done = data.map(
            Actor,
            fn_constructor_args=(make,),
            compute=ray.data.ActorPoolStrategy(
                size=min(self.count, len(tasks)),
                max_tasks_in_flight_per_actor=1 if alone else None,
            ),
            max_restarts=-1,
            max_task_retries=0,  # Ray's own default tries a file that kills for ever
        )
        for item in done.iter_rows():
            yield item["row"]


def quiet_ray() -> Any:
    """Ray Data without its own progress; MmercError where Ray is not installed."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        problem = "--engine ray needs Ray; install it with: pip install 'mmerc[scale]'."
        raise MmercError(problem) from error
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    for name in ("ray.data", "ray.data._internal"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return ray


class Actor:
    """One extractor that lives as long as the run."""

    def __init__(self, make: MakeExtractor) -> None:
        self.extractor = make()

    def __call__(self, item: dict[str, Any]) -> dict[str, FeatureRow]:
        return {"row": take(self.extractor, item["task"])}
