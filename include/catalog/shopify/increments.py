"""What changed in a shop since a moment: levels per location, and products."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from include.catalog.archive import ArchiveWriter
from include.catalog.paging import walk_pages
from include.catalog.shopify.client import Answer, ShopifyClient, TooCostly
from include.catalog.shopify.replies import (
    LevelsData,
    Location,
    LocationsData,
    PageInfo,
    ProductsData,
    ProductWithVariants,
    VariantsData,
)

LOCATIONS_AT_ONCE = 100
PRODUCTS_AT_ONCE = 5
VARIANTS_AT_ONCE = 100

T = TypeVar("T")


class Increment:
    """One pull of what changed since a moment, kept page by page."""

    def __init__(self, client: ShopifyClient, page_size: int, since: datetime) -> None:
        self._client = client
        self._page_size = page_size
        self._since = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._filter = f"updated_at:>='{self._since}'"

    def write(self, writer: ArchiveWriter) -> None:
        """Every page as it came, one part each."""
        for body in self._bodies():
            with writer.open_part() as part:
                part.write(body)

    def _bodies(self) -> Iterator[bytes]:
        for location in self._locations():
            for page in self._levels(location):
                yield page.body
        for products in self._products():
            yield products.body
            for product in products.data.products.nodes:
                for further in self._further_variants(product):
                    yield further.body

    def _placed(self, step: str) -> str:
        return f"{self._client.place}, {step}"

    def _locations(self) -> list[Location]:
        step = "reading its locations"

        def fetch(cursor: str | None) -> tuple[list[Location], str | None]:
            answer = self._client.ask("locations", LocationsData, step, first=LOCATIONS_AT_ONCE, after=cursor)
            found = answer.data.locations
            return found.nodes, _next(found.page_info)

        return [location for page in walk_pages(fetch, self._placed(step)) for location in page]

    def _levels(self, location: Location) -> Iterator[Answer[LevelsData]]:
        step = f"levels at location {location.id} since {self._since}"

        def ask(first: int, cursor: str | None) -> Answer[LevelsData]:
            place = _after(step, cursor)
            given = {"location": location.id, "first": first, "after": cursor, "filter": self._filter}
            return self._client.ask("levels", LevelsData, place, **given)

        def info(data: LevelsData) -> PageInfo | None:
            return data.location.inventory_levels.page_info if data.location else None

        return _walk(ask, info, self._page_size, self._placed(step))

    def _products(self) -> Iterator[Answer[ProductsData]]:
        step = f"products since {self._since}"

        def ask(first: int, cursor: str | None) -> Answer[ProductsData]:
            given = {"first": first, "after": cursor, "filter": self._filter}
            return self._client.ask("products", ProductsData, _after(step, cursor), **given)

        return _walk(ask, lambda data: data.products.page_info, PRODUCTS_AT_ONCE, self._placed(step))

    def _further_variants(self, product: ProductWithVariants) -> Iterator[Answer[VariantsData]]:
        start = _next(product.variants.page_info)
        if start is None:
            return iter(())
        step = f"further variants of {product.id}"

        def ask(first: int, cursor: str | None) -> Answer[VariantsData]:
            given = {"product": product.id, "first": first, "after": cursor or start}
            return self._client.ask("variants", VariantsData, _after(step, cursor or start), **given)

        def info(data: VariantsData) -> PageInfo | None:
            return data.product.variants.page_info if data.product else None

        return _walk(ask, info, VARIANTS_AT_ONCE, self._placed(step))


def _walk(
    ask: Callable[[int, str | None], Answer[T]],
    info: Callable[[T], PageInfo | None],
    page_size: int,
    step: str,
) -> Iterator[Answer[T]]:
    """Every page; one that costs too much is asked for again at half the size, and those after it too."""
    first = page_size

    def fetch(cursor: str | None) -> tuple[Answer[T], str | None]:
        nonlocal first
        while True:
            try:
                answer = ask(first, cursor)
                return answer, _next(info(answer.data))
            except TooCostly:
                if first == 1:
                    raise
                first = first // 2

    return walk_pages(fetch, step)


def _next(page: PageInfo | None) -> str | None:
    return page.end_cursor if page is not None and page.has_next_page else None


def _after(step: str, cursor: str | None) -> str:
    return f"{step}, after cursor {cursor[:80]!r}" if cursor else f"{step}, first page"
