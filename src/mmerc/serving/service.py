"""What the routes share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from mmerc.serving.jobs import Jobs
from mmerc.serving.monitoring import Metrics
from mmerc.serving.predictor import Predictor
from mmerc.serving.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One server's parts."""

    settings: Settings
    jobs: Jobs
    predictor: Predictor
    metrics: Metrics


async def service_of(request: Request) -> Service:
    """The server that a request came to."""
    service: Service = request.app.state.service
    return service


Here = Annotated[Service, Depends(service_of)]
