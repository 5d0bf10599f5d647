"""``python -m galam_explorer`` is ``galam``."""

from galam_explorer.cli import main

main()
