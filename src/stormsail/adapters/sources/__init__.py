"""Market data that comes as a directory, and the bundled sample."""
