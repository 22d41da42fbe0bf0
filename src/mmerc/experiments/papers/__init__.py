"""One folder per paper: ``targets.yaml``, and ``figures.py`` with one function per figure."""
