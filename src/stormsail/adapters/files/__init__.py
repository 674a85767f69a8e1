"""Files people write and read: portfolios, plans, venue records."""
