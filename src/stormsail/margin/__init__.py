"""What keeps it alive: tiers, liquidation, and collateral that keeps a promise."""
