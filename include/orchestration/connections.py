"""Airflow Connections, turned into what Restock's parts are given. Nothing here prints a password."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError

from include.errors import ConfigurationError, TemporaryError
from include.settings import load_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from include.catalog.base import ShopConnection
    from include.messaging.senders.sms import SmsAccount
    from include.messaging.senders.smtp_session import Security, SmtpSettings
    from include.services.operators import Operators

DATABASE = "restock_db"
MAIL = "restock_smtp"
SMS = "restock_sms"
OPERATORS = "restock_operators"
SLACK = "restock_slack"


@contextmanager
def open_database() -> Iterator["Engine"]:
    """Restock's own database, for one task."""
    from include.db.engine import connect

    engine = connect(database_url())
    try:
        yield engine
    finally:
        engine.dispose()


def database_url() -> str:
    """The URL of Connection `restock_db`; without one, the settings' (the local stack writes those)."""
    connection = _find(DATABASE)
    return _url_of(connection) if connection else load_settings().require_database_url()


async def find_database_url() -> str:
    """The same inside the triggerer, whose event loop must not be blocked."""
    try:
        connection = await Connection.async_get(DATABASE)
    except (AirflowNotFoundException, AirflowRuntimeError):
        return load_settings().require_database_url()
    return _url_of(connection)


def smtp_settings() -> "SmtpSettings":
    """The account of Connection `restock_smtp`.

    Extra `from_email` is needed; `connections` (1) and `max_messages_per_connection` (1000) are of one lane.
    Extra `security` is none, starttls or tls; without it, Airflow's own
    switches `disable_ssl` and `disable_tls` are honoured, and port 465 means tls.
    """
    return _smtp_settings_of(_require(MAIL, "an e-mail account (type SMTP, with from_email in its extra)"))


def _smtp_settings_of(connection: Connection) -> "SmtpSettings":
    from include.messaging.senders.smtp import SmtpSettings

    extra = connection.extra_dejson
    security = extra.get("security") or _security_of(connection.port, extra)
    if not extra.get("from_email"):
        raise ConfigurationError(
            f'Connection {MAIL}: extra needs "from_email", the address that mails come from.'
        )
    return SmtpSettings(
        host=connection.host or "localhost",
        port=connection.port or (465 if security == "tls" else 587),
        security=security,
        from_address=str(extra["from_email"]),
        from_name=str(extra.get("from_name", "")),
        username=connection.login or "",
        password=connection.password or "",
        timeout=float(extra.get("timeout", 30)),
        ca_file=extra.get("ca_file"),
        verify_certificate=bool(extra.get("verify_certificate", True)),
        connections=int(extra.get("connections", 1)),
        max_messages_per_connection=int(extra.get("max_messages_per_connection", 1000)),
    )


def sms_account() -> "SmsAccount | None":
    """The account of Connection `restock_sms`; None where there is none, since SMS are optional.

    Login is the account's sid, password its token, host the provider's where it is not Twilio. Extra `from` is
    needed: a number, or the id of a messaging service.
    """
    from include.messaging.senders.sms import SmsAccount

    connection = _find(SMS)
    if connection is None:
        return None
    extra = connection.extra_dejson
    if not (extra.get("from") and connection.login and connection.password):
        raise ConfigurationError(
            f'Connection {SMS}: it needs a login (the account\'s sid), a password (its token) and "from" in its '
            "extra, the number or messaging service that SMS come from."
        )
    port = f":{connection.port}" if connection.port else ""
    return SmsAccount(
        account_sid=connection.login,
        password=connection.password,
        username=str(extra.get("api_key", "")),
        sender=str(extra["from"]),
        url=f"{connection.schema or 'https'}://{connection.host or 'api.twilio.com'}{port}",
        timeout=float(extra.get("timeout", 30)),
    )


def shop_connection(conn_id: str | None) -> "ShopConnection | None":
    """Host and credentials of a shop; None for a shop that names no Connection."""
    if conn_id is None:
        return None
    return _shop_connection_of(_require(conn_id, "the host and login of a shop; shops.yaml names it"))


async def find_shop_connection(conn_id: str | None) -> "ShopConnection | None":
    """The same inside the triggerer, whose event loop must not be blocked."""
    return _shop_connection_of(await Connection.async_get(conn_id)) if conn_id is not None else None


def _shop_connection_of(connection: Connection) -> "ShopConnection":
    from include.catalog.base import ShopConnection

    return ShopConnection.from_parts(
        connection.conn_id,
        schema=connection.schema,
        host=connection.host,
        port=connection.port,
        login=connection.login,
        password=connection.password,
        extra=connection.extra_dejson,
    )


def operators() -> "Operators":
    """How operators are told of failures: nobody, unless `restock_operators` or `restock_slack` exist."""
    return _operators_of({name: _find(name) for name in _OF_OPERATORS})


async def find_operators() -> "Operators":
    """The same inside the triggerer."""
    found: dict[str, Connection | None] = {}
    for name in _OF_OPERATORS:
        try:
            found[name] = await Connection.async_get(name)
        except (AirflowNotFoundException, AirflowRuntimeError):
            found[name] = None
    return _operators_of(found)


_OF_OPERATORS = (OPERATORS, MAIL, SLACK, DATABASE)


def _operators_of(found: dict[str, Connection | None]) -> "Operators":
    from include.services.operators import Operators

    named, mail, slack, database = (found[name] for name in _OF_OPERATORS)
    to = named.extra_dejson.get("to", []) if named else []
    return Operators(
        to=tuple([to] if isinstance(to, str) else to),
        account=_smtp_settings_of(mail) if mail and to else None,
        slack_url=_webhook_of(slack) if slack else None,
        database_url=_url_of(database) if database else load_settings().database_url,
    )


def _webhook_of(connection: Connection) -> str:
    """Slack's own Connections hold the host and the secret rest apart; the whole URL as a password works too."""
    secret, host = connection.password or "", connection.host or "https://hooks.slack.com/services"
    return (
        secret if secret.startswith(("https://", "http://")) else f"{host.rstrip('/')}/{secret.lstrip('/')}"
    )


def _find(conn_id: str) -> Connection | None:
    try:
        return Connection.get(conn_id)
    except (AirflowNotFoundException, AirflowRuntimeError):
        return None


def _require(conn_id: str, purpose: str) -> Connection:
    # Airflow says "not defined" also when its API did not answer, so trying again may mend it.
    if connection := _find(conn_id):
        return connection
    raise TemporaryError(
        f"Airflow has no Connection '{conn_id}' (or could not be asked). It is {purpose}. "
        f"Create it under Admin > Connections or as the environment variable AIRFLOW_CONN_{conn_id.upper()}."
    )


def _url_of(connection: Connection) -> str:
    from sqlalchemy import URL

    from include.db.engine import DRIVER

    url = URL.create(
        DRIVER,
        username=connection.login,
        password=connection.password,
        host=connection.host,
        port=connection.port,
        database=connection.schema,
        query={name: str(value) for name, value in connection.extra_dejson.items()},
    )
    return url.render_as_string(hide_password=False)


def _security_of(port: int | None, extra: dict[str, object]) -> "Security":
    if port == 465:
        return "tls"
    return "none" if extra.get("disable_ssl") and extra.get("disable_tls") else "starttls"
