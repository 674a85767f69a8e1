"""The decision: objective, limits, cost, solver, explanation."""
