"""Wiring: the command line and the Python face."""
