"""Metrics of live sessions for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from mmerc.serving.live.live_sessions import LiveSessions


class _LiveStates(Collector):
    """Counts sessions and connections on each scrape."""

    def __init__(self, sessions: LiveSessions) -> None:
        self.sessions = sessions

    def collect(self) -> Iterable[GaugeMetricFamily]:
        live = self.sessions
        yield GaugeMetricFamily("mmerc_live_sessions", "Live sessions.", live.running)
        yield GaugeMetricFamily(
            "mmerc_live_connections", "Connections of live sessions.", live.connections
        )
        running = [item for item in list(live.sessions.values()) if not item.has_ended]
        behind = max((item.behind for item in running), default=0.0)
        yield GaugeMetricFamily(
            "mmerc_live_behind_seconds", "Sound that waits, of the slowest session.", behind
        )
        yield GaugeMetricFamily(
            "mmerc_live_dropped_frames",
            "Pictures of running sessions that were not used.",
            sum(item.dropped_frames for item in running),
        )


def register_live_metrics(registry: CollectorRegistry, sessions: LiveSessions) -> None:
    """Add the metrics of live sessions to a server's registry."""
    registry.register(_LiveStates(sessions))
