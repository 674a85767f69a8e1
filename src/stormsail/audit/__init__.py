"""What am I exposed to, and how much of it do I want to keep."""
