"""The words of a hedge in one plain sentence each."""

GLOSSARY: tuple[tuple[str, str], ...] = (
    ("Auto-deleveraging", "In a crash the venue may close winning shorts by force, because the losers cannot pay."),
    ("Basis", "Distance of a dated contract's price to spot; it shrinks to nothing by the contract's end."),
    ("Beta", "By how many percent a coin moves when another (here BTC) moves by 1 %."),
    ("Carry", "What a short earns or pays by being held: funding of a perpetual, basis of a dated contract."),
    ("Collateral", "Cash that lies at the venue behind a short; it is what can be lost if the short is liquidated."),
    ("Coverage", "Share of what you hold that is to be protected."),
    ("Effectiveness", "Share of the variance of returns that a hedge removes; 100 % is perfect, below 0 it does harm."),
    ("Expected shortfall", "Mean loss on the worst days (of a stated share, such as 5 %)."),
    (
        "Funding",
        "What longs pay shorts on a perpetual when its rate is positive, and the other way when it is negative.",
    ),
    ("Hedge ratio", "Value shorted for each unit of value held."),
    ("Inverse contract", "A contract paid in the coin itself; backed by that coin it survives any rise."),
    (
        "Liquidation",
        "The venue closes the short by force because the collateral no longer suffices; the collateral is lost.",
    ),
    ("Maintenance margin", "The least that must be left behind a position before it is liquidated."),
    ("Naive ratio 1", "Shorting exactly as much value as is held; the yardstick for every cleverer ratio."),
    ("Notional", "Value of a position at the present price."),
    ("Out of sample", "Judged on returns that the estimate had not seen."),
    ("Perpetual", "A future without end; funding keeps its price near spot."),
    ("Proxy, substitute", "A contract on another coin that moves with yours; it leaves the part that does not."),
    ("Slippage", "What an order loses by moving the price against itself."),
    ("Top-up", "Posting more collateral; until it arrives the short must live on what is there."),
    ("Value at risk", "Loss that is reached or passed on a stated share of days, such as 5 %."),
    ("Variance", "Measure of how widely returns scatter; the square of volatility."),
)
"""Word and meaning, in alphabetical order."""
