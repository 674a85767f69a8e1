"""Names of columns: the ones meant, their synonyms, and the nearest one to a name that is not known."""

from __future__ import annotations

import difflib

COLUMNS = ("asset", "quantity", "acquired", "unit_cost", "locked_until", "locked", "venue")
"""What a row may hold, in the order it is written."""

LOT_COLUMNS = ("quantity", "acquired", "unit_cost")
"""What a nested lot may hold."""

SYNONYMS = {
    "symbol": "asset",
    "coin": "asset",
    "ticker": "asset",
    "amount": "quantity",
    "qty": "quantity",
    "balance": "quantity",
    "cost": "unit_cost",
    "price_paid": "unit_cost",
    "price_paid_per_coin": "unit_cost",
}
"""Other names a column may carry; case, spaces and dashes do not matter."""


def canonical(name: str) -> str | None:
    """The column that ``name`` means, or ``None``.

    >>> canonical(" Unit Cost "), canonical("QTY"), canonical("colour")
    ('unit_cost', 'quantity', None)
    """
    plain = "_".join(name.lower().replace("-", " ").replace("_", " ").split())
    return plain if plain in COLUMNS else SYNONYMS.get(plain)


def nearest_column(name: str, allowed: tuple[str, ...] = COLUMNS) -> str:
    """The cure for an unknown name: the nearest known one if there is any, and all that may be used.

    >>> nearest_column("quantiy")
    "did you mean 'quantity'? Known columns: asset, quantity, acquired, unit_cost, locked_until, locked, venue"
    """
    pool = [*allowed, *(s for s, meant in SYNONYMS.items() if meant in allowed)]
    close = difflib.get_close_matches(name.strip().lower()[:60], pool, n=1, cutoff=0.5)
    known = f"nown columns: {', '.join(allowed)}"
    return f"did you mean {close[0]!r}? K{known}" if close else f"remove it or rename it; k{known}"
