"""The Connection of a shop with platform `feed`; its section of shops.yaml is the shop's own."""

from include.catalog.base import ConnectionField, ConnectionForm

FORM = ConnectionForm(
    title="Restock: catalog feed",
    labels={"host": "Address without the path", "login": "Login", "password": "Password"},
    examples={"host": "https://shop.example"},
    hidden=("schema",),
    fields={
        "header_name": ConnectionField(
            "Header", description="A header that the server asks for, as in X-Api-Key."
        ),
        "header_secret": ConnectionField("Header's value", is_secret=True),
    },
)
