"""A context for the back-in-stock mail."""

from typing import Any


def alert_context(**item: Any) -> dict[str, Any]:
    lamp = {
        "title": "ELEGANT-LAMP",
        "url": "https://shop.example/lamp",
        "image_url": "https://shop.example/lamp.jpg",
        "price": "49.90",
        "currency": "EUR",
    }
    return {
        "first_name": "Ann",
        "shop": {"name": "Nordlys", "url": "https://shop.example"},
        "item": {**lamp, **item},
        "cancel_url": "https://shop.example/cancel/1",
        "unsubscribe_url": "https://shop.example/stop/1",
    }
