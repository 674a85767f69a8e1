"""The compiled solver of one small hedge."""
