"""What may come: volatility and funding, each with its error."""
