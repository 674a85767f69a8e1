"""What the market says: one schema, one port, one door that no later row passes."""
