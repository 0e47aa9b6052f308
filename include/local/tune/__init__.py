"""Thresholds chosen from evidence: a past year walked in memory under many settings, side by side.

grid     the settings: ranges of Restock's rules, the documented rules of other tools
year     an order history with the replay's stock policy, as articles
stored   the same from the database's own stock changes and requests
walk     one article under one setting: stock, walk-in customers, queue, visits
figures  what a setting comes to
outcome  all settings side by side: table, CSV, the best
chart    told in vain against the wait
run      from options to a comparison
"""

from include.local.tune.grid import Ranges
from include.local.tune.outcome import Comparison
from include.local.tune.run import TuneOptions, tune_by_orders, tune_by_shop

__all__ = ["Comparison", "Ranges", "TuneOptions", "tune_by_orders", "tune_by_shop"]
