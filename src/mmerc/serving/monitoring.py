"""Metrics for Prometheus: numbers, and nothing about anybody's recordings."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from mmerc.serving.jobs import Jobs

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)


class Metrics:
    """The metrics of one server; without ``jobs`` there are none of jobs."""

    def __init__(self, jobs: Jobs | None) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        if jobs is not None:
            self.registry.register(_JobStates(jobs))
        self.requests = Counter(
            "mmerc_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "mmerc_request_seconds",
            "Seconds until a response started.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.predicted = Counter(
            "mmerc_predicted_utterances",
            "Utterances predicted by /v1/predict.",
            registry=self.registry,
        )
        self.ended = Counter(
            "mmerc_jobs_ended", "Jobs that ended.", ["outcome"], registry=self.registry
        )
        self.restarted = Counter(
            "mmerc_workers_restarted",
            "Workers restarted after they were killed.",
            registry=self.registry,
        )
        self.expired = Counter(
            "mmerc_jobs_expired", "Jobs deleted after their time.", registry=self.registry
        )


class _JobStates(Collector):
    """The number of jobs in each state, counted when it is asked for."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily("mmerc_jobs", "Jobs.", labels=["state"])
        for state, count in self.jobs.counts().items():
            family.add_metric([state], count)
        yield family
