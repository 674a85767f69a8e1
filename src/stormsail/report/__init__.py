"""Show it, prove it: text, figures, one self-contained page."""
