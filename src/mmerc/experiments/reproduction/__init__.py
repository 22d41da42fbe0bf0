"""From a target to its report: plan trainings, run them, read what they measured, write it up."""
