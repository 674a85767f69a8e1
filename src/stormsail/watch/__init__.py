"""When to act: bands, ladders, rolls, and what they ask for."""
