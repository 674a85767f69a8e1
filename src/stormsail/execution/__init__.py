"""From orders to fills."""
