"""Every table and figure of the three papers: targets as data, their runs, and the reports."""
