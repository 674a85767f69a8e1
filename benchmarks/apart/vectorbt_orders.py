"""vectorbt's ``from_orders`` on the orders in a file: sizes and fill prices as they were, and the fee.

``python -m benchmarks.apart.vectorbt_orders FILE ENGINE one|sweep``
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import vectorbt as vbt

from benchmarks.apart.child import obey

file, engine, what = sys.argv[1:4]
data = np.load(file)
names = ["sizes", "fills"] if what == "one" else ["sweep_sizes", "sweep_fills"]
size, price = (data[name] for name in names)
groups = size.shape[1] // data["last"].shape[1]
index = pd.date_range("2020-01-01", periods=len(size), freq="h")
close = pd.DataFrame(np.tile(data["last"], groups), index=index)


def portfolio() -> object:
    """One group of columns shares its cash, as one account does."""
    return vbt.Portfolio.from_orders(
        close, size, price=price, size_type="amount", direction="both", fees=float(data["fee"]),
        init_cash=float(data["deposit"]), cash_sharing=True,
        group_by=np.repeat(np.arange(groups), data["last"].shape[1]),
        freq="1h", engine=engine,
    )  # fmt: skip


def main() -> None:
    """Obey."""
    made = portfolio()
    end = float(np.atleast_1d(np.asarray(made.final_value()))[0])
    orders = int(np.sum(made.orders.count()))
    del made
    obey(lambda: portfolio() and None, {"version": vbt.__version__, "end": end, "orders": orders, "groups": groups})


main()
