"""The demo: a shop whose stock follows a script, and the driver of `make demo`."""

from include.local.demo.shop_client import step_shop

__all__ = ["step_shop"]
