"""Route for predicting edited lines of a job again."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from mmerc.inference.correction.correction_log import CorrectionLog
from mmerc.serving.corrected_job import explain_other_model
from mmerc.serving.correction_routes import JobDesks
from mmerc.serving.job_order import JobOrder
from mmerc.serving.job_routes import JobAnswer, JobId, accept_job, find_job, reserve_job
from mmerc.serving.problems import problem_responses, translate_storage_errors
from mmerc.serving.service import ServiceDependency

_NOTHING = "No line needs to be predicted again; change words, speaker or times first."
router = APIRouter(prefix="/v1/jobs/{job}", tags=["corrections"])


@router.post(
    "/predict-again",
    status_code=202,
    responses=problem_responses(401, 403, 404, 409, 422, 429, 503, 507),
)
def predict_again(
    job: JobId, request: Request, response: Response, service: ServiceDependency
) -> JobAnswer:
    """Predict lines again after changes of words, speaker or times.

    Creates a separate job without files, in the queue of all jobs. When it is done, the analysed
    job's corrections include the new predictions.
    """
    desks: JobDesks = request.app.state.find_desk
    desk = desks(job)
    desk.log.refresh()
    if not _has_stale_lines(desk.log):
        raise HTTPException(409, _NOTHING)
    analysed, current = desk.log.analysis.model, service.predictor.name
    if analysed != current:  # for example a live session's
        raise HTTPException(409, explain_other_model(analysed, current))
    with translate_storage_errors():
        new = reserve_job(service)
        try:
            sets = JobOrder.read(service.jobs.folder(job)).sets
            JobOrder(corrects=job, sets=sets).write(service.jobs.folder(new))
            answer = accept_job(service, new, find_job(service, job).name, response)
        except BaseException:
            service.jobs.remove(new)
            raise
    desks.extend(job)
    return answer


def _has_stale_lines(log: CorrectionLog) -> bool:
    with log.lock:
        return any(line.is_stale and not line.excluded for line in log.lines.lines.values())
