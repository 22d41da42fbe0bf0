"""``python -m mmerc`` is the program ``mmerc``."""

from mmerc.cli import main

main()
