"""Imports of the study command, apart from its workers."""

import subprocess
import sys


def test_study_is_planned_and_reported_without_torch():
    code = (
        "import sys\n"
        "import mmerc.cli.study_run, mmerc.studies.study_plan, mmerc.studies.run_study\n"
        "import mmerc.studies.report.render\n"
        "print([name for name in ('torch', 'av', 'scipy', 'pandas') if name in sys.modules])"
    )
    program = [sys.executable, "-c", code]
    assert subprocess.run(program, capture_output=True, text=True, check=True).stdout == "[]\n"
