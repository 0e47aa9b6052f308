"""Where Restock finds its database, folders and files: the only reader of the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from include.errors import ConfigurationError

PROJECT_HOME = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """Paths and addresses; `database_url` is None until a database is known."""

    home: Path
    var_folder: Path
    database_url: str | None
    archive_url: str
    artefact_url: str
    artefact_link: str | None
    journals_folder: Path
    shops_file: Path
    flows_folder: Path
    intake_url: str | None
    trusted_proxies: tuple[str, ...]
    address_rate: str
    callback_secret: str | None
    sendgrid_public_key: str | None
    shopify_secret: str | None

    def require_database_url(self) -> str:
        """The database's URL, or an error that lists every place where it was looked for."""
        if self.database_url:
            return self.database_url
        raise ConfigurationError(
            "No database is known. Looked at the environment variable RESTOCK_DATABASE_URL and at "
            f"{self.var_folder / 'database_url'}. Start the local stack with `make up`, or set "
            "RESTOCK_DATABASE_URL=postgresql+psycopg://user:password@host/restock."
        )


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from `environ` (default: the process's), with defaults below the project's folder."""
    env = os.environ if environ is None else environ
    home = Path(env.get("RESTOCK_HOME", PROJECT_HOME)).resolve()
    var_folder = Path(env.get("RESTOCK_VAR", home / "var")).resolve()
    return Settings(
        home=home,
        var_folder=var_folder,
        database_url=env.get("RESTOCK_DATABASE_URL") or _url_of_local_stack(var_folder),
        archive_url=env.get("RESTOCK_ARCHIVE", str(var_folder / "archive")),
        artefact_url=env.get("RESTOCK_ARTEFACTS", str(var_folder / "exports")),
        artefact_link=env.get("RESTOCK_ARTEFACT_LINK") or None,
        journals_folder=Path(env.get("RESTOCK_JOURNALS", var_folder / "journals")),
        shops_file=Path(env.get("RESTOCK_SHOPS", home / "dags" / "config" / "shops.yaml")),
        flows_folder=Path(env.get("RESTOCK_FLOWS", home / "dags" / "flows")),
        intake_url=(env.get("RESTOCK_INTAKE_URL") or "").rstrip("/") or None,
        address_rate=env.get("RESTOCK_ADDRESS_RATE", "20/s 300/m"),
        callback_secret=env.get("RESTOCK_CALLBACK_SECRET") or None,
        sendgrid_public_key=env.get("RESTOCK_SENDGRID_PUBLIC_KEY") or None,
        shopify_secret=env.get("RESTOCK_SHOPIFY_SECRET") or None,
        trusted_proxies=tuple(env.get("RESTOCK_TRUSTED_PROXIES", "").replace(",", " ").split()),
    )


def airflow_variable(conn_id: str) -> str:
    """The environment variable that Airflow, too, reads a Connection from."""
    return f"AIRFLOW_CONN_{conn_id.upper()}"


def airflow_connection(conn_id: str, environ: Mapping[str, str] | None = None) -> str | None:
    """What the environment says of a Connection."""
    return (os.environ if environ is None else environ).get(airflow_variable(conn_id)) or None


def process_environment() -> dict[str, str]:
    """A copy of this process's environment, for starting child processes."""
    return dict(os.environ)


def _url_of_local_stack(var_folder: Path) -> str | None:
    pointer = var_folder / "database_url"
    try:
        return pointer.read_text().strip() or None
    except (FileNotFoundError, PermissionError):
        return None
