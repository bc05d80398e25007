"""The same strategy and costs, vectorised, by pandas alone: reads the vendor's CSV itself and prints every execution.

usage: crossing.py FILE FAST SLOW   ->   JSON {"fills": [[close of the bar, epoch us], side, price, fee], ...], "cash": ...}

Rules: decided at a bar's close, executed at the next bar's open, one basis point worse, on the grid of 0.0001 dollars; a
decision at a session's last bar is executed at the next session's open. 100 shares. Sales pay the SEC fee (27.80 dollars a
million until 2025-05-13, nothing from 2025-05-14) and the trading activity fee (0.000166 dollars a share).
"""
import json
import sys

import numpy as np
import pandas as pd

file, fast, slow = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
bars = pd.read_csv(file, parse_dates=["datetime_et"])
start = bars["datetime_et"].dt.tz_localize("America/New_York").dt.tz_convert("UTC")
closed_us = (start + pd.Timedelta(minutes=5)).astype("int64") // 1000
close = (bars["close"] * 10_000).round().astype("int64")
# Integer sums: a float mean could order equal means either way.
wanted = (close.rolling(fast).sum() * slow > close.rolling(slow).sum() * fast).astype(float)
wanted[: slow - 1] = np.nan
day = bars["datetime_et"].dt.date
held = wanted.shift(1).fillna(0)
change = held.diff().fillna(held)
rows = bars[change != 0].index
ticks = (bars["open"] * 10_000).round()
worse = np.where(change > 0, np.ceil(ticks * 1.0001 - 1e-6), np.floor(ticks * 0.9999 + 1e-6))
price = worse / 10_000
is_sale = change < 0
sec = np.where(day < pd.Timestamp("2025-05-14").date(), 27.80e-6, 0.0)
fee = np.where(is_sale, sec * price * 100 + 0.000166 * 100, 0.0)
cash = float(-(change * 100 * price)[rows].sum() - fee[rows].sum())
print(json.dumps({
    "fills": [[int(closed_us[r]), "buy" if change[r] > 0 else "sell", float(price[r])] for r in rows],
    "fees": float(fee[rows].sum()),
    "profit": cash + float(held.iloc[-1] * 100 * bars["close"].iloc[-1]),
}))
