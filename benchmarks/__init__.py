"""Ours beside the peers, as ratios, with the machine named."""
