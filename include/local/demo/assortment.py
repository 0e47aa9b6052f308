"""What the demo shop sells: 2,000 variants, always the same ones."""

import random
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

SEED = "restock demo"
WAREHOUSE, STORE = "WAREHOUSE", "STORE"
SOLD_OUT_SHARE = 0.55
LARGEST_STOCK = 40

SHOES = (
    "Fjell Wool Runner", "Marlow Court Sneaker", "Tarn Trail Shoe", "Ottilie Chelsea Boot", "Bruno Derby",
    "Lido Espadrille", "Kaya Hiking Boot", "Pia Ballet Flat", "Hafen Deck Shoe", "Juno Loafer",
    "Vela Running Shoe", "Moritz Desert Boot", "Nora Clog", "Sol Sandal",
)  # fmt: skip
CLOTHES = (
    "Aran Wool Sweater", "Linnea Cardigan", "Tomas Oxford Shirt", "Elba Linen Shirt", "Rhea Merino Tee",
    "Kiel Fisherman Jumper", "Ada Breton Top", "Lorenz Chore Jacket", "Mira Rain Coat", "Hugo Flannel Shirt",
    "Sina Pleated Skirt", "Emil Chino", "Greta Wide-Leg Jeans", "Otto Corduroy Trousers", "Thea Wrap Dress",
    "Finn Sweatshirt", "Clara Silk Blouse", "Anton Down Vest", "Lotte Pyjama", "Jonas Polo",
    "Ines Knit Dress", "Karl Overshirt", "Selma Leggings", "Arvid Base Layer",
)  # fmt: skip
GOODS = (
    "Weekender Bag", "Canvas Tote", "Leather Belt", "Wool Scarf", "Ribbed Beanie", "Card Wallet",
    "Laptop Sleeve", "Rolltop Backpack", "Umbrella", "Enamel Mug", "Wool Blanket", "Linen Towel",
    "Travel Pouch", "Sunglasses", "Leather Gloves", "Bucket Hat", "Water Bottle", "Notebook", "Key Ring",
    "Bandana", "Sock Set", "Hip Bag", "Passport Cover", "Thermos Flask", "Picnic Rug", "Cushion Cover",
    "Apron", "Desk Lamp", "Storage Basket", "Stoneware Bowl", "Candle", "Soap Dish", "Plant Pot",
    "Wall Clock", "Tea Towel", "Bike Bell", "Lunch Box",
)  # fmt: skip
COLOURS = ("Moss", "Ink", "Sand", "Rust", "Chalk", "Slate", "Plum", "Ochre")
SHOE_SIZES = tuple(str(size) for size in range(36, 46))
CLOTHES_SIZES = ("XS", "S", "M", "L", "XL", "XXL")


@dataclass(frozen=True)
class Variant:
    """One thing that can be bought, as the feed describes it."""

    variant_id: str
    product_id: str
    title: str
    price: str
    compare_at_price: str | None
    collections: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """Units per location."""

    warehouse: int
    store: int

    @property
    def units(self) -> int:
        return self.warehouse + self.store


def seeded_chance(purpose: str) -> random.Random:
    """Chance that falls the same way in every run."""
    return random.Random(f"{SEED}: {purpose}")  # noqa: S311


@cache
def list_variants() -> tuple[Variant, ...]:
    """The whole assortment, in the feed's order."""
    return (
        *_models("Shoes", SHOES, COLOURS[:6], SHOE_SIZES, range(79, 220)),
        *_models("Clothes", CLOTHES, COLOURS[:6], CLOTHES_SIZES, range(29, 260)),
        *_models("Home and travel", GOODS, COLOURS, ("",), range(9, 180)),
    )


@cache
def first_stock() -> Mapping[str, Split]:
    """The stock of every variant on the first day: more than half is sold out."""
    chance = seeded_chance("stock")
    stock = {}
    for variant in list_variants():
        units = 0 if chance.random() < SOLD_OUT_SHARE else chance.randint(1, LARGEST_STOCK)
        stock[variant.variant_id] = Split(units - units // 3, units // 3)
    return MappingProxyType(stock)


def _models(
    collection: str, names: tuple[str, ...], colours: tuple[str, ...], sizes: tuple[str, ...], prices: range
) -> Iterator[Variant]:
    chance = seeded_chance(f"prices of {collection}")
    for name in names:
        price = chance.choice(prices)
        former = price + price // 4 if chance.random() < 0.2 else None
        for colour in colours:
            for size in sizes:
                yield Variant(
                    variant_id="-".join(filter(None, (_slug(name), _slug(colour), size.lower()))),
                    product_id=_slug(name),
                    title=f"{name}, {colour}" + (f", {size}" if size else ""),
                    price=f"{price}.00",
                    compare_at_price=f"{former}.00" if former else None,
                    collections=(collection, "Sale") if former else (collection,),
                )


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
