"""A shop as its operator describes it: where its stock is read, how often, and in which terms."""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SkipValidation,
    ValidationInfo,
    field_validator,
    model_validator,
)

from include.domain.channel import SENDING_CHANNELS, order_channels
from include.domain.dated_address import check_dated_address, is_dated
from include.domain.encoding import find_codec
from include.domain.feed_fields import CatalogField, FieldRule

FEED = "feed"
LANGUAGES = ("en", "fr", "de", "it")
FEED_FORMATS = ("auto", "json", "jsonl", "csv", "xml")
STORES = ("s3", "gs", "gcs", "abfs", "abfss", "sftp")
LONGEST_INTERVAL = timedelta(days=31)


_ISO_4217 = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD
    CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF
    GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP
    LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB
    PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL
    THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW
    ZWG"""
CURRENCIES = frozenset(_ISO_4217.split())

_SHOP_ID = re.compile(r"[a-z0-9_]{1,60}")
_ISO_DURATION = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_PLAIN_DURATION = re.compile(r"(?:\d+\s*[a-z]+\s*)+")
_PLAIN_PART = re.compile(r"(\d+)\s*([a-z]+)")
_UNIT_NAMES = {
    timedelta(weeks=1): "w week weeks",
    timedelta(days=1): "d day days",
    timedelta(hours=1): "h hour hours",
    timedelta(minutes=1): "m min minute minutes",
    timedelta(seconds=1): "s sec second seconds",
}
_UNITS = {name: length for length, names in _UNIT_NAMES.items() for name in names.split()}


def parse_interval(text: str) -> timedelta | None:
    """The duration that `text` means (`PT15M`, `15 minutes`, `1h 30m`), or None where it means none."""
    if match := _ISO_DURATION.fullmatch(text.strip()):
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    plain = text.strip().lower()
    if not _PLAIN_DURATION.fullmatch(plain):
        return None
    parts = _PLAIN_PART.findall(plain)
    if any(unit not in _UNITS for _, unit in parts):
        return None
    return sum((int(count) * _UNITS[unit] for count, unit in parts), timedelta())


def _check_id(value: str) -> str:
    if _SHOP_ID.fullmatch(value):
        return value
    raise ValueError(
        f"{value!r} can't be part of a Dag's id. Allowed are 1 to 60 of a-z, 0-9 and _, as in 'demo_shop'"
    )


def _check_schedule(value: str) -> str:
    interval = parse_interval(value)
    if interval is None and not looks_like_cron(value):
        raise ValueError(
            f"{value!r} is neither a cron expression of five fields such as '*/15 * * * *' "
            "nor a duration such as '15 minutes', '10s' or 'PT15M'"
        )
    if interval is not None and not timedelta(seconds=1) <= interval <= LONGEST_INTERVAL:
        raise ValueError(f"{value!r} is not between 1 second and {LONGEST_INTERVAL.days} days")
    return value


def _check_age(value: str) -> str:
    age = parse_interval(value)
    if age is not None and timedelta(minutes=1) <= age <= LONGEST_INTERVAL:
        return value
    raise ValueError(
        f"{value!r} is no duration between 1 minute and {LONGEST_INTERVAL.days} days such as '2 hours'"
    )


def looks_like_cron(text: str) -> bool:
    """Whether `text` has the shape of a cron expression; whether it ever fires is the loader's question."""
    return len(text.split()) == 5 or text in ("@hourly", "@daily", "@weekly", "@monthly", "@yearly")


def _check_currency(value: str) -> str:
    if value in CURRENCIES:
        return value
    raise ValueError(f"{value!r} is not a currency code of ISO 4217, three capital letters such as 'EUR'")


def _check_time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a time zone of the IANA list such as 'Europe/Berlin'") from None
    return value


def _check_locale(value: str) -> str:
    if _language(value) in LANGUAGES and re.fullmatch(r"[a-z]{2}(?:[-_][A-Za-z0-9]{2,8})*", value):
        return value
    raise ValueError(
        f"{value!r} has no templates. Allowed are {', '.join(LANGUAGES)}, "
        "with or without a region as in 'de-AT'"
    )


def _check_channels(value: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [channel for channel in value if channel not in SENDING_CHANNELS]
    if unknown or len(set(value)) < len(value):
        raise ValueError(f"allowed are {', '.join(SENDING_CHANNELS)}, each once, the preferred one first")
    return order_channels(value)


def _check_url(value: str) -> str:
    check_dated_address(value)
    scheme, separator, rest = value.partition("://")
    if not separator or scheme == "file":
        return value
    if scheme not in ("http", "https", *STORES):
        raise ValueError(
            f"{scheme}:// is not supported. Allowed are http://, https://, file://, "
            f"{', '.join(f'{store}://' for store in STORES)}, or a path relative to the project's folder"
        )
    if "@" in rest.split("/", 1)[0]:
        raise ValueError(
            "a login does not belong here. Put it into an Airflow Connection and name its conn_id"
        )
    if not urlsplit(value).hostname:
        raise ValueError(f"{value!r} names no {'host' if scheme in ('http', 'https') else 'store'}")
    return value


def _check_path(value: str) -> str:
    if value.startswith("/"):
        return check_dated_address(value)
    raise ValueError(f"{value!r} must begin with a slash: it is appended to the Connection's host")


def _check_encoding(value: str) -> str:
    if find_codec(value):
        return value
    raise ValueError(
        f"{value!r} is not an encoding that feeds are read in. Allowed are utf-8, utf-16, utf-16-le, utf-16-be, "
        "windows-1250 to windows-1258, iso-8859-1 to iso-8859-16, koi8-r, shift_jis, gb18030, big5 and their like"
    )


def _language(locale: str) -> str:
    return re.split(r"[-_]", locale, maxsplit=1)[0]


class CountedLocations(BaseModel):
    """Which locations' stock counts (SEMANTICS 1.1); a plain list in the file means `include`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _accept_a_list(cls, value: Any) -> Any:
        return {"include": value} if isinstance(value, (list, tuple)) else value

    def counts(self, location_id: str) -> bool:
        """Whether stock at `location_id` belongs to what a variant has available."""
        is_included = self.include is None or location_id in self.include
        return is_included and location_id not in self.exclude


class FeedSettings(BaseModel):
    """Where a feed lies and how it is written.

    Either `url` (http, https, an object store, file or a path), or `path`, appended to the host of the shop's
    Connection. `fields` maps a catalog field to the name or path that it has in the feed, and what is done to its
    value; `item` is the element of an XML feed that stands for one variant, or the way to the variants of a JSON
    document. Everything from `allow_private` on is a limit: what a shop does not raise protects the installation from
    a feed that is hostile or broken.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, AfterValidator(_check_url)] | None = None
    path: Annotated[str, AfterValidator(_check_path)] | None = Field(default=None, validate_default=True)
    format: Literal["auto", "json", "jsonl", "csv", "xml"] = "auto"
    fields: dict[CatalogField, FieldRule] = Field(default_factory=dict)
    item: str | None = Field(default=None, min_length=1)
    encoding: Annotated[str, AfterValidator(_check_encoding)] | None = None
    allow_private: bool = False
    max_megabytes: int = Field(default=1000, ge=1, le=100_000)
    max_minutes: float = Field(default=30, gt=0, le=1440)

    @field_validator("path", mode="after")
    @classmethod
    def _name_one_place(cls, path: str | None, info: ValidationInfo) -> str | None:
        if "url" in info.data and (info.data["url"] is None) == (path is None):
            raise ValueError(
                "a feed needs either url, or path together with the shop's conn_id, and not both"
            )
        return path

    @property
    def is_dated(self) -> bool:
        """Whether its address holds the time of a window, so that the past can be asked for (SEMANTICS 2.8)."""
        return is_dated(self.url or self.path or "")

    @property
    def max_bytes(self) -> int:
        """The most that is fetched, as it comes over the wire."""
        return self.max_megabytes * 1_000_000


class Bundle(BaseModel):
    """A variant that is sold out of others' stock: component variant -> units in one bundle (SEMANTICS 1.5)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    variant: str = Field(min_length=1)
    components: dict[str, Annotated[int, Field(ge=1, le=10**6)]] = Field(min_length=1)


class Shop(BaseModel):
    """One shop of dags/config/shops.yaml. Credentials are not here but in its Airflow Connection.

    `options` is the section of the shop's platform, which its connector knows; a feed's is `feed`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, AfterValidator(_check_id)]
    name: str = ""
    platform: str
    conn_id: str | None = None
    schedule: Annotated[str, AfterValidator(_check_schedule)]
    currency: Annotated[str, AfterValidator(_check_currency)]
    time_zone: Annotated[str, AfterValidator(_check_time_zone)]
    locale: Annotated[str, AfterValidator(_check_locale)] = "en"
    locations: CountedLocations | None = None
    max_stock_age: Annotated[str, AfterValidator(_check_age)] | None = None
    bundles: tuple[Bundle, ...] = ()
    double_opt_in: bool = False
    preferred_channels: Annotated[tuple[str, ...], AfterValidator(_check_channels)] = SENDING_CHANNELS
    feed: FeedSettings | None = Field(default=None, validate_default=True)
    options: SkipValidation[BaseModel | None] = None

    @field_validator("feed", mode="after")
    @classmethod
    def _find_the_feed(cls, feed: FeedSettings | None, info: ValidationInfo) -> FeedSettings | None:
        if feed is None and info.data.get("platform") == FEED:
            raise ValueError("platform 'feed' needs a section feed with url or path")
        if feed is not None and feed.path is not None and info.data.get("conn_id", "") is None:
            raise ValueError("feed.path needs conn_id: the host comes from that Airflow Connection")
        return feed

    @field_validator("bundles", mode="after")
    @classmethod
    def _check_bundles(cls, bundles: tuple[Bundle, ...]) -> tuple[Bundle, ...]:
        names = [bundle.variant for bundle in bundles]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"{repeated!r} is described twice; put its components into one entry")
        for bundle in bundles:
            if nested := next((name for name in bundle.components if name in names), None):
                raise ValueError(
                    f"{bundle.variant!r} holds {nested!r}, which is a bundle too; "
                    "name the variants that it is made of instead"
                )
        return bundles

    @property
    def stock_age(self) -> timedelta | None:
        """How old an observation may be, where the shop says it."""
        return None if self.max_stock_age is None else parse_interval(self.max_stock_age)

    @property
    def interval(self) -> timedelta | None:
        """The time between two pulls where `schedule` is a duration."""
        return parse_interval(self.schedule)

    @property
    def cron(self) -> str | None:
        """The cron expression, read in the shop's time zone, where `schedule` is one."""
        return self.schedule if self.interval is None else None

    @property
    def zone(self) -> ZoneInfo:
        """The shop's time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def language(self) -> str:
        """The language of the shop's templates: a locale with a region falls back to it."""
        return _language(self.locale)

    @property
    def display_name(self) -> str:
        """What people call the shop."""
        return self.name or self.id
