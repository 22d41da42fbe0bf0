"""Metrics for Prometheus: only counts and times, nothing about recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from mmerc.serving.jobs import Jobs

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)
_JOB_SECONDS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)
_FACTORS = (0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10)


class Metrics:
    """The metrics of one server; ``jobs`` is None if it has no jobs."""

    def __init__(self, jobs: Jobs | None) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        if jobs is not None:
            self.registry.register(_JobStates(jobs))
        self.requests = self.counter(
            "mmerc_requests", "Requests answered.", "method", "route", "status"
        )
        self.seconds = self.histogram(
            "mmerc_request_seconds", "Seconds until a response started.", _SECONDS, "route"
        )
        self.predicted = self.counter(
            "mmerc_predicted_utterances", "Utterances predicted by /v1/predict."
        )
        self.queued = self.gauge(
            "mmerc_prediction_queue", "Requests of /v1/predict that wait for the model."
        )
        self.ended = self.counter("mmerc_jobs_ended", "Jobs that ended.", "outcome")
        self.job_seconds = self.histogram(
            "mmerc_job_seconds", "Seconds for which jobs ran.", _JOB_SECONDS, "outcome"
        )
        self.real_time_factor = self.histogram(
            "mmerc_job_real_time_factor",
            "Seconds for which jobs ran per second of recording.",
            _FACTORS,
        )
        self.restarted = self.counter(
            "mmerc_workers_restarted", "Workers restarted after they were killed or hung."
        )
        self.hung = self.counter(
            "mmerc_workers_hung", "Workers killed because they no longer answered or computed."
        )
        self.expired = self.counter("mmerc_jobs_expired", "Jobs deleted after their time.")
        self.ready = self.gauge(
            "mmerc_ready", "Whether a part was ready when /ready was last asked.", "part"
        )

    def counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(name, description, labels, registry=self.registry)

    def gauge(self, name: str, description: str, *labels: str) -> Gauge:
        return Gauge(name, description, labels, registry=self.registry)

    def histogram(
        self, name: str, description: str, buckets: Iterable[float], *labels: str
    ) -> Histogram:
        return Histogram(name, description, labels, buckets=tuple(buckets), registry=self.registry)

    def watch_queue(self, length: Callable[[], int]) -> None:
        """Set the function that returns the length of the prediction queue."""
        self.queued.set_function(length)


class _JobStates(Collector):
    """Collects the number of jobs in each state and the longest wait on each scrape."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily("mmerc_jobs", "Jobs.", labels=["state"])
        for state, count in self.jobs.counts().items():
            family.add_metric([state], count)
        yield family
        description = "Seconds for which the first job in the queue has waited."
        yield GaugeMetricFamily(
            "mmerc_job_wait_seconds", description, value=self.jobs.longest_wait()
        )
