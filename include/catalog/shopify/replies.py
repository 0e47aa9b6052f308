"""The shapes of Shopify's replies, as far as they are read; anything else is an error that names the place."""

from typing import Literal

import msgspec

WAITING = ("CREATED", "RUNNING", "CANCELING")


class _Shape(msgspec.Struct, gc=False, rename="camel"):
    pass


class Named(_Shape):
    """Anything that is known by its id alone."""

    id: str


class Image(_Shape):
    """An image's address."""

    url: str


class Preview(_Shape):
    """A medium as an image; null while it is being made."""

    image: Image | None = None


class Media(_Shape):
    """A picture, film or model."""

    preview: Preview | None = None


class Collection(_Shape):
    """A collection that a product is in."""

    id: str
    title: str


class Quantity(_Shape):
    """One of a level's quantities; only `available` is asked for."""

    name: str
    quantity: int
    updated_at: str | None = None


class Item(_Shape):
    """What stock is counted of."""

    id: str
    tracked: bool


class PageInfo(_Shape):
    """Whether more follows, and from where."""

    has_next_page: bool
    end_cursor: str | None = None


class Collections(_Shape):
    """The collections of one product, as far as one page holds them."""

    nodes: list[Collection]
    page_info: PageInfo | None = None

    @property
    def titles(self) -> list[str] | None:
        """All of them; None where more follow, since some would pass for all."""
        if self.page_info is not None and self.page_info.has_next_page:
            return None
        return [one.title for one in self.nodes]


class Variant(_Shape):
    """A variant without its product."""

    id: str
    title: str
    price: str
    inventory_policy: Literal["DENY", "CONTINUE"]
    compare_at_price: str | None = None
    inventory_item: Item | None = None


class Product(_Shape):
    """What a product says of all its variants."""

    id: str
    title: str
    status: str
    product_type: str
    tags: list[str]
    published_at: str | None
    online_store_url: str | None
    featured_media: Media | None


class VariantOfProduct(Variant, kw_only=True):
    """A variant with its product."""

    product: Product


class Level(_Shape):
    """The stock of one item at one location."""

    id: str
    updated_at: str
    location: Named
    quantities: list[Quantity]


class VariantsOfItem(_Shape):
    """The variants that sell one item."""

    nodes: list[VariantOfProduct]


class ItemWithVariants(Item, kw_only=True):
    """An item with the variants that sell it."""

    variants: VariantsOfItem


class LevelWithVariants(Level, kw_only=True):
    """A level with the variants that it is the stock of."""

    item: ItemWithVariants


class LevelPage(_Shape):
    """A page of levels."""

    nodes: list[LevelWithVariants]
    page_info: PageInfo


class LocationWithLevels(_Shape):
    """One location's changed levels."""

    id: str
    inventory_levels: LevelPage


class VariantPage(_Shape):
    """A page of one product's variants."""

    nodes: list[Variant]
    page_info: PageInfo


class ProductWithVariants(Product, kw_only=True):
    """A product with a page of its variants; its collections are not said on further pages."""

    variants: VariantPage
    collections: Collections | None = None


class ProductPage(_Shape):
    """A page of products."""

    nodes: list[ProductWithVariants]
    page_info: PageInfo


class Location(_Shape):
    """Where stock is kept."""

    id: str
    name: str


class LocationPage(_Shape):
    """A page of locations."""

    nodes: list[Location]
    page_info: PageInfo


class Operation(_Shape):
    """A bulk operation; counts come as text, since they may exceed what JSON numbers hold."""

    id: str
    status: str
    created_at: str
    query: str
    object_count: str
    error_code: str | None = None
    file_size: str | None = None
    url: str | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it has not come to its end."""
        return self.status in WAITING


class UserError(_Shape):
    """Why a mutation did nothing."""

    message: str
    code: str | None = None


class Submitted(_Shape):
    """What became of a submission."""

    user_errors: list[UserError]
    bulk_operation: Operation | None = None


class Operations(_Shape):
    """Several operations."""

    nodes: list[Operation]


class Cancelled(_Shape):
    """What became of a cancellation."""

    user_errors: list[UserError]


class LevelsData(_Shape):
    """The answer to levels.graphql; null for a location that is gone."""

    location: LocationWithLevels | None


class ProductsData(_Shape):
    """The answer to products.graphql."""

    products: ProductPage


class VariantsData(_Shape):
    """The answer to variants.graphql; null for a product that is gone."""

    product: ProductWithVariants | None


class LocationsData(_Shape):
    """The answer to locations.graphql."""

    locations: LocationPage


class SubmitData(_Shape):
    """The answer to submit.graphql."""

    bulk_operation_run_query: Submitted


class OperationData(_Shape):
    """The answer to operation.graphql; null for one that Shopify forgot."""

    node: Operation | None


class OperationsData(_Shape):
    """The answer to operations.graphql."""

    bulk_operations: Operations


class CancelData(_Shape):
    """The answer to cancel.graphql."""

    bulk_operation_cancel: Cancelled


class SweepLine(_Shape):
    """One line of a bulk result: a variant, or a level or collection that follows it."""

    id: str
    parent_id: str | None = msgspec.field(name="__parentId", default=None)
    title: str | None = None
    price: str | None = None
    compare_at_price: str | None = None
    inventory_policy: str | None = None
    product: Product | None = None
    inventory_item: Item | None = None
    updated_at: str | None = None
    location: Named | None = None
    quantities: list[Quantity] | None = None
