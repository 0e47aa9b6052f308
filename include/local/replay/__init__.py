"""A year of a shop in two minutes: an order history walked through the services, and judged from outside.

orders        the order lines of a CSV file
stock_policy  a shop that sells them, runs out and restocks: pure
walk          a day is a window: the feed, the requests and the services on a simulated clock
evidence      what the walk leaves behind for the audit: feeds, requests, rules and mails, as files
audit         who was told wrongly, computed from the evidence alone: knows nothing of Restock
audit_stock   the same of one article's stock: units, open or not, what came back
report        the figures as text and JSON
"""

from include.local.replay.report import ReplayResult
from include.local.replay.run import ALL_OPTIONS, ReplayOptions, replay
from include.local.replay.stock_policy import PolicySettings

__all__ = ["ALL_OPTIONS", "PolicySettings", "ReplayOptions", "ReplayResult", "replay"]
