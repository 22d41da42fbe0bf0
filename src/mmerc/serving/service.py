"""The parts of the service used by its routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from mmerc.serving.jobs import Jobs
from mmerc.serving.live.live_sessions import LiveSessions
from mmerc.serving.monitoring import Metrics
from mmerc.serving.predictor import Predictor
from mmerc.serving.readiness import Readiness
from mmerc.serving.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Settings, jobs, predictor, live sessions, metrics and readiness of one server."""

    settings: Settings
    jobs: Jobs
    predictor: Predictor
    live: LiveSessions
    metrics: Metrics
    readiness: Readiness


async def _get_service(request: Request) -> Service:
    """Return the service of a request."""
    service: Service = request.app.state.service
    return service


ServiceDependency = Annotated[Service, Depends(_get_service)]
