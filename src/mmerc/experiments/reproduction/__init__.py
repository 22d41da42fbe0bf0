"""From a target to its report: plan and run trainings, read results, write the report."""
