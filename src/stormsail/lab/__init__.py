"""The same code against recorded markets."""
