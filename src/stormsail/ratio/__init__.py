"""How much: hedge ratios, their errors, and the contest between them."""
