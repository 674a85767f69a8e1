"""``python -m stormsail`` is the command line."""

from stormsail.app.cli import main

main()
