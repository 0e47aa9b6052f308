"""What shops.yaml says of a shop with platform `shopify`; its token is in the Connection."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from include.catalog.base import ConnectionField, ConnectionForm
from include.domain.shop import parse_interval

API_VERSIONS = ("2026-01", "2026-04", "2026-07", "2026-10")


def _check_version(value: str) -> str:
    if value in API_VERSIONS:
        return value
    raise ValueError(f"{value!r} is not a version that is spoken here. Allowed are {', '.join(API_VERSIONS)}")


def _check_full_every(value: str) -> str:
    span = parse_interval(value)
    if span is not None and timedelta(minutes=1) <= span <= timedelta(days=31):
        return value
    raise ValueError(f"{value!r} is no duration between 1 minute and 31 days such as '1 day'")


class ShopifySettings(BaseModel):
    """The section `shopify` of a shop.

    `full_every` is the time after which the whole shop is read again; between, only what changed. `published_on`
    tells what counts as published: the online store, or any active product (shops with a storefront of their own).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    needs_connection: ClassVar[bool] = True

    api_version: Annotated[str, AfterValidator(_check_version)] = API_VERSIONS[-1]
    full_every: Annotated[str, AfterValidator(_check_full_every)] = "1 day"
    published_on: Literal["online_store", "any"] = "online_store"
    page_size: int = Field(default=50, ge=1, le=250)
    allow_private: bool = False
    max_megabytes: int = Field(default=5000, ge=1, le=100_000)
    max_minutes: float = Field(default=30, gt=0, le=1440)

    @property
    def full_interval(self) -> timedelta:
        """`full_every` as a span of time."""
        return parse_interval(self.full_every) or timedelta(days=1)


SETTINGS = ShopifySettings
FORM = ConnectionForm(
    title="Restock: Shopify",
    labels={"host": "Shop's domain", "password": "Admin API access token"},
    examples={"host": "example.myshopify.com", "password": "shpat_…"},
    hidden=("schema", "login", "port", "extra"),
    fields={
        "webhook_secret": ConnectionField(
            "Webhook secret",
            is_secret=True,
            description="The app's client secret: webhooks are signed with it.",
        )
    },
)
