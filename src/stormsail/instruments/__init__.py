"""What could hedge it, on which venue, and why."""
