"""What the commands share: the terminal, the clock, the database, the shops."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from include.db.engine import connect
from include.db.migrate import check_schema
from include.errors import ConfigurationError, TemporaryError
from include.settings import Settings, load_settings

if TYPE_CHECKING:
    from upath import UPath

ShopId = Annotated[str, typer.Option("--shop", help="The shop's id in dags/config/shops.yaml.")]
Most = Annotated[int, typer.Option("--most", min=1, max=100_000, help="Lines shown at most.")]
LARGEST_ID = 2**63 - 1
WIDEST = 1_000


class _Terminal(Console):
    """Prints what shops wrote as text: it commands neither the terminal nor rich's markup."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, emoji=False, markup=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        shown = "".join(sign if sign.isprintable() or sign in "\n\t" else "\ufffd" for sign in text)
        return super().render_str(shown, **{**options, "markup": False})


console = _Terminal(soft_wrap=True)


def print_whole(table: Table) -> None:
    """Print a table of figures as wide as it is: a terminal may wrap its lines, but no digit is cut off."""
    wide = _Terminal(width=WIDEST)
    measured = Measurement.get(wide, wide.options, table).maximum
    _Terminal(width=measured).print(table)


def print_table(table: Table) -> None:
    """Print a table with texts: folded to a terminal's width, and one line per row in a file or a pipe."""
    if console.is_terminal:
        console.print(table)
    else:
        print_whole(table)


def command_group(purpose: str) -> typer.Typer:
    """A group of commands that shows its help where none is named."""
    return typer.Typer(no_args_is_help=True, help=purpose)


@contextmanager
def open_database(settings: Settings | None = None) -> Iterator[Engine]:
    """Restock's database, refused where its schema is another version's."""
    engine = connect((settings or load_settings()).require_database_url())
    try:
        try:
            check_schema(engine)
        except OperationalError as error:
            raise TemporaryError(
                f"The database at {engine.url.host}:{engine.url.port or 5432} can't be used: {error.orig}. "
                "`make status` says what of the local stack runs."
            ) from None
        yield engine
    finally:
        engine.dispose()


def open_store(url: str, variable: str) -> "UPath":
    """The folder or bucket that a setting names."""
    from upath import UPath

    try:
        store = UPath(url)
        _ = store.fs  # the package of its protocol is imported only now
    except (ValueError, ImportError) as error:
        raise ConfigurationError(
            f"{variable} can't be opened: {error}. Allowed is a folder, or the URL of an object store whose package is "
            "installed."
        ) from None
    return store


def present() -> datetime:
    """The moment at which a command runs."""
    return datetime.now(UTC)


def register_shop_of_file(engine: Engine, shop_id: str) -> None:
    """Store a shop as the shops file describes it; raises NotFound, ConfigurationError."""
    from include.catalog.shops import read_shops_file
    from include.services.shops import register_shop

    shop = read_shops_file(load_settings().shops_file).find(shop_id)
    with engine.begin() as connection:
        register_shop(connection, shop, present())


def name_and_value(option: str, given: Iterable[str] | None) -> dict[str, Any]:
    """Repeated NAME=VALUE options as a dictionary."""
    pairs = [text.partition("=") for text in given or ()]
    for name, sign, _ in pairs:
        if not sign:
            raise typer.BadParameter(f"{option} {name} has no '='; it is NAME=VALUE.")
    return {name: value for name, _, value in pairs}
