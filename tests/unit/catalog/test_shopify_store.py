"""Which store a shop's webhooks must name."""

from __future__ import annotations

import pytest

from include.catalog.base import ShopConnection
from include.catalog.shopify.connector import ShopifyConnector
from include.domain.shop import Shop


@pytest.mark.parametrize(
    ("base_url", "store"),
    [
        ("https://Example.myshopify.com", "example.myshopify.com"),
        ("https://example.myshopify.com:443/", "example.myshopify.com"),
        ("http://127.0.0.1:8080", None),
        (None, None),
    ],
)
def test_a_store_is_known_by_shopifys_own_name_of_it(base_url: str | None, store: str | None) -> None:
    shop = Shop.model_validate(
        {
            "id": "acme",
            "platform": "shopify",
            "conn_id": "shop_acme",
            "schedule": "15 minutes",
            "currency": "EUR",
            "time_zone": "UTC",
        }
    )
    connector = ShopifyConnector(shop, ShopConnection("shop_acme", base_url, password="token"))
    assert connector.store_domain == store
