import re
from datetime import timedelta
from pathlib import Path

import pytest

from include.catalog.shops import read_shops_file
from include.domain.shop import CountedLocations, Shop, parse_interval
from include.errors import ConfigurationError, NotFound

PROJECT = Path(__file__).resolve().parents[3]
GOOD = """
shops:
  - id: elegant_lamp
    platform: feed
    schedule: 15 minutes
    currency: EUR
    time_zone: Europe/Berlin
    feed: {url: feeds/lamp.jsonl}
"""


@pytest.fixture
def shops_file(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "shops.yaml"
        path.write_text(text)
        return path

    return write


def load_shops(path: Path) -> tuple[Shop, ...]:
    """All shops of a file, or its report as an error."""
    read = read_shops_file(path)
    if read.report:
        raise ConfigurationError(read.report)
    return read.shops


def problem_of(shops_file, old: str, new: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_shops(shops_file(GOOD.replace(old, new)))
    return str(caught.value)


def test_the_shipped_file_has_the_one_shop_demo():
    (shop,) = load_shops(PROJECT / "dags" / "config" / "shops.yaml")
    assert (shop.id, shop.conn_id, shop.interval) == ("demo", "shop_demo", timedelta(minutes=1))
    assert shop.feed is not None
    assert shop.feed.path == "/feed.jsonl"


def test_a_shop_has_defaults_for_all_that_may_be_left_out(shops_file):
    (shop,) = load_shops(shops_file(GOOD))
    assert (shop.display_name, shop.language, shop.locations) == ("elegant_lamp", "en", None)
    assert shop.zone.key == "Europe/Berlin"


def test_all_problems_are_told_at_once_with_their_lines(shops_file):
    text = """\
shops:
  - id: Elegant-Lamp
    platfrom: feed
    schedule: often
    currency: EURO
    time_zone: Europe/Berln
    locale: es
    feed:
      path: feed.jsonl
      format: cvs
      fields: {variantid: sku}
"""
    with pytest.raises(ConfigurationError) as caught:
        load_shops(shops_file(text))
    told = str(caught.value)
    for part in (
        "10 problems",
        "line 2: shop 'Elegant-Lamp': id: 'Elegant-Lamp' can't be part of a Dag's id",
        "line 2: shop 'Elegant-Lamp': platform is missing",
        "line 3: shop 'Elegant-Lamp': platfrom is unknown",
        "Did you mean 'platform'?",
        "line 4: shop 'Elegant-Lamp': schedule: 'often' is neither a cron expression",
        "Did you mean 'EUR'?",
        "Did you mean 'Europe/Berlin'?",
        "'es' has no templates. Allowed are en, fr, de, it",
        "feed.path: 'feed.jsonl' must begin with a slash",
        "feed.format: 'cvs' is not known. Allowed are auto, json, jsonl, csv, xml. Did you mean 'csv'?",
        "feed.fields.variantid is unknown",
        "Did you mean 'variant_id'?",
    ):
        assert part in told


def test_a_syntax_error_names_its_line(shops_file):
    with pytest.raises(ConfigurationError, match=r"shops\.yaml, line 3, column 4: not valid YAML"):
        load_shops(shops_file("shops:\n  - id: a\n   name: [b\n"))


@pytest.mark.parametrize("text", ["", "[]", "shops: 3", "- a"])
def test_a_file_without_a_list_of_shops_is_refused(shops_file, text):
    with pytest.raises(ConfigurationError, match="the file needs one member, shops"):
        load_shops(shops_file(text))


def test_a_missing_file_says_where_another_one_can_be_named(tmp_path):
    with pytest.raises(ConfigurationError, match="RESTOCK_SHOPS"):
        load_shops(tmp_path / "nowhere.yaml")


def test_two_shops_with_one_id_are_refused(shops_file):
    told = problem_of(shops_file, "shops:\n", "shops:\n" + GOOD.partition("shops:\n")[2])
    assert "line 3: shop 'elegant_lamp': the id is also taken by the shop at line 9" in told
    assert "line 9: shop 'elegant_lamp': the id is also taken by the shop at line 3" in told


TWO_BAD = """
shops:
  - {id: bad_schedule, platform: feed, schedule: often, currency: EUR, time_zone: UTC, feed: {url: a.csv}}
  - id: elegant_lamp
    platform: feed
    schedule: 15 minutes
    currency: EUR
    time_zone: Europe/Berlin
    feed: {url: feeds/lamp.jsonl}
  - id: twice
    platform: feed
    schedule: 15 minutes
    schedule: 10 minutes
    currency: EUR
    time_zone: Europe/Berlin
    feed: {url: feeds/lamp.jsonl}
  - {id: plain_chair, platform: feed, schedule: "@daily", currency: EUR, time_zone: UTC, feed: {url: c.csv}}
"""


def test_a_bad_shop_does_not_hide_the_good_ones(shops_file):
    read = read_shops_file(shops_file(TWO_BAD))
    assert [shop.id for shop in read.shops] == ["elegant_lamp", "plain_chair"]
    assert read.report is not None
    assert "has 2 problems" in read.report
    assert "line 3: shop 'bad_schedule': schedule: 'often'" in read.report
    assert "line 13: shop 'twice': schedule is written twice" in read.report


def test_a_good_shop_is_found_beside_bad_ones(shops_file):
    read = read_shops_file(shops_file(TWO_BAD))
    assert read.find("plain_chair").cron == "@daily"
    with pytest.raises(ConfigurationError, match="line 3: shop 'bad_schedule'"):
        read.find("bad_schedule")
    with pytest.raises(NotFound, match=r"has no shop 'nobody'\. It has: elegant_lamp, plain_chair"):
        read.find("nobody")


def test_who_misses_a_shop_sees_what_may_hide_it(shops_file):
    with pytest.raises(NotFound, match=r"It has: none\. A problem may hide it:\n.*\n  line 1: ."):
        read_shops_file(shops_file("shop:\n  - id: lamps\n")).find("lamps")


def test_of_two_shops_with_one_id_neither_is_pulled(shops_file):
    read = read_shops_file(shops_file("shops:\n" + GOOD.partition("shops:\n")[2] * 2))
    assert read.shops == ()


def test_a_file_without_mistakes_has_no_report(shops_file):
    assert read_shops_file(shops_file(GOOD)).report is None


def test_a_member_written_twice_is_refused(shops_file):
    told = problem_of(shops_file, "currency: EUR", "currency: EUR\n    currency: USD")
    assert "line 7: shop 'elegant_lamp': currency is written twice" in told


def test_values_mean_what_they_look_like(shops_file):
    (shop,) = load_shops(shops_file(GOOD + '    locations: [010, no, 1:30]\n    name: ""\n    conn_id:\n'))
    assert shop.locations == CountedLocations(include=("010", "no", "1:30"))
    assert shop.conn_id is None


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("PT15M", timedelta(minutes=15)),
        ("P1DT2H", timedelta(days=1, hours=2)),
        ("15 minutes", timedelta(minutes=15)),
        ("15m", timedelta(minutes=15)),
        ("10s", timedelta(seconds=10)),
        ("1 Hour", timedelta(hours=1)),
        ("1h 30m", timedelta(minutes=90)),
    ],
)
def test_a_schedule_may_be_a_duration(shops_file, text, length):
    (shop,) = load_shops(shops_file(GOOD.replace("15 minutes", text)))
    assert (shop.interval, shop.cron) == (length, None)


@pytest.mark.parametrize("text", ["15", "P", "P1M", "1 fortnight", "minutes", "-5m", ""])
def test_what_is_no_duration_is_none(text):
    assert parse_interval(text) in (None, timedelta())


@pytest.mark.parametrize("text", ["0s", "PT0S", "P", "40 days"])
def test_a_duration_out_of_bounds_is_refused(shops_file, text):
    assert "is not between 1 second and 31 days" in problem_of(shops_file, "15 minutes", text)


@pytest.mark.parametrize("text", ["*/15 * * * *", "0 6 * * 1-5", "@daily"])
def test_a_schedule_may_be_cron(shops_file, text):
    (shop,) = load_shops(shops_file(GOOD.replace("15 minutes", f'"{text}"')))
    assert (shop.interval, shop.cron) == (None, text)


@pytest.mark.parametrize("text", ["61 * * * *", "0 0 30 2 *", "a b c d e"])
def test_a_cron_expression_that_never_fires_is_refused(shops_file, text):
    assert "is not a cron expression" in problem_of(shops_file, "15 minutes", f'"{text}"')


def test_a_locale_with_a_region_falls_back_to_its_language(shops_file):
    (shop,) = load_shops(shops_file(GOOD + "    locale: de-AT\n"))
    assert (shop.locale, shop.language) == ("de-AT", "de")


def test_locations_may_be_included_or_excluded():
    assert CountedLocations(include=("main",)).counts("main")
    assert not CountedLocations(include=("main",)).counts("pos")
    assert not CountedLocations(exclude=("pos",)).counts("pos")
    assert CountedLocations(exclude=("pos",)).counts("")


@pytest.mark.parametrize(
    ("feed", "problem"),
    [
        ("{}", "either url, or path"),
        ("{url: a.csv, path: /a.csv}", "either url, or path"),
        ("{path: /a.csv}", "feed.path needs conn_id"),
        ("{url: 'ftp://shop.example/a'}", "ftp:// is not supported"),
        ("{url: 'https:///a'}", "names no host"),
        ("{url: 's3:///a'}", "names no store"),
        ("{url: 'simplecache::s3://a/b'}", "simplecache::s3:// is not supported"),
        ("{url: 'memory://a'}", "Allowed are http://, https://, file://, s3://, gs://"),
        ("{url: a.csv, encoding: rot13}", "feed.encoding: 'rot13' is not an encoding"),
        ("{url: a.csv, max_megabytes: 0}", "feed.max_megabytes"),
        ("{url: a.csv, allow_private: perhaps}", "feed.allow_private"),
    ],
)
def test_a_feed_needs_exactly_one_place(shops_file, feed, problem):
    assert problem in problem_of(shops_file, "{url: feeds/lamp.jsonl}", feed)


def test_a_login_in_the_address_is_refused_and_not_repeated(shops_file):
    for scheme in ("https", "s3", "sftp"):
        told = problem_of(shops_file, "feeds/lamp.jsonl", f"'{scheme}://me:hunter2@shop.example/a'")
        assert "Put it into an Airflow Connection" in told
        assert "hunter2" not in told


BUNDLES = """\
    bundles:
      - variant: SET
        components: {LAMP: 1, BULB: 2}
"""


def test_a_bundle_names_its_components(shops_file):
    (shop,) = load_shops(shops_file(GOOD + BUNDLES))
    assert [(bundle.variant, bundle.components) for bundle in shop.bundles] == [
        ("SET", {"LAMP": 1, "BULB": 2})
    ]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{variant: SET}", "bundles.0.components is missing"),
        ("{variant: SET, components: {}}", "bundles.0.components: a group of members does not fit"),
        ("{variant: SET, components: {LAMP: 0}}", "bundles.0.components.LAMP: '0' does not fit"),
        ("{variant: SET, parts: {LAMP: 1}}", "bundles.0.parts is unknown. Allowed are variant, components"),
        ("{variant: SET, components: {SET: 1}}", "'SET' holds 'SET', which is a bundle too"),
    ],
)
def test_a_bundle_that_makes_no_sense_is_refused_with_its_place(shops_file, entry, problem):
    with pytest.raises(ConfigurationError) as caught:
        load_shops(shops_file(GOOD + f"    bundles:\n      - {entry}\n"))
    assert problem in str(caught.value)


@pytest.mark.parametrize("age", ["soon", "10 s", "60 days"])
def test_an_age_of_stock_that_is_no_duration_is_refused(shops_file, age):
    with pytest.raises(ConfigurationError, match="between 1 minute and 31 days"):
        load_shops(shops_file(GOOD + f"    max_stock_age: {age}\n"))


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://shop.example/{window:%Y}.csv", r"\{window:%Y\} is not understood"),
        ("https://shop.example/{window_start}.csv", "is not understood"),
        ("https://shop.example/{window_start:2026}.csv", "is not understood"),
        ("https://shop.example/{window_start:%Y.csv", "has a brace without its partner"),
    ],
)
def test_a_dated_address_that_is_not_understood_says_what_is_allowed(shops_file, url, problem):
    with pytest.raises(ConfigurationError, match=problem) as caught:
        load_shops(shops_file(GOOD.replace("feeds/lamp.jsonl", f'"{url}"')))
    assert "{window_start:%Y/%m/%d/%H%M}" in str(caught.value)


def test_a_shop_names_the_channels_that_it_prefers_and_asks_for_confirmation(shops_file):
    (shop,) = load_shops(shops_file(GOOD + "    double_opt_in: true\n    preferred_channels: [SMS]\n"))
    assert shop.double_opt_in and shop.preferred_channels == ("SMS", "EMAIL")
    for wrong in ("[PIGEON]", "[SMS, SMS]", "SMS", "[1]"):
        with pytest.raises(ConfigurationError, match="line 9: shop 'elegant_lamp': preferred_channels"):
            load_shops(shops_file(GOOD + f"    preferred_channels: {wrong}\n"))


def test_the_shops_of_the_documentation_are_read_as_they_stand(shops_file):
    page = (PROJECT / "docs" / "shops.md").read_text(encoding="utf-8")
    entries = re.findall(r"^```yaml\n(  - id:.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for entry in entries:
        assert read_shops_file(shops_file(f"shops:\n{entry}")).report is None
    assert len(entries) == 2
