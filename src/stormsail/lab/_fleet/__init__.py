"""Compiled loops of the fleet."""
