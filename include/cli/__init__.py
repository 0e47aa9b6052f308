"""The `restock` command: each subcommand calls one service and prints what it answers."""

import sys

import typer

from include.cli.database import db
from include.cli.decisions import simulate, why
from include.cli.flow_files import flows
from include.cli.intake import intake
from include.cli.keys import keys
from include.cli.local import demo, replay, stack
from include.cli.people import people
from include.cli.report_mails import reports
from include.cli.sending import channels, delivery, messages
from include.cli.shops import shops, sync
from include.cli.stock import feed, snapshots
from include.cli.tuning import tune
from include.cli.waiting import subscriptions, unsubscribe_by_token
from include.errors import RestockError

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
for name, group in {
    "db": db,
    "intake": intake,
    "keys": keys,
    "people": people,
    "stack": stack,
    "demo": demo,
    "subscriptions": subscriptions,
    "shops": shops,
    "snapshots": snapshots,
    "feed": feed,
    "delivery": delivery,
    "channels": channels,
    "messages": messages,
    "flows": flows,
    "reports": reports,
}.items():
    app.add_typer(group, name=name)
app.command("sync")(sync)
app.command("replay")(replay)
app.command("tune")(tune)
app.command("unsubscribe")(unsubscribe_by_token)
app.command("why")(why)
app.command("simulate")(simulate)


def main() -> None:
    """Run the command; an error of ours, or of a file, is one line on stderr and exit code 1, without a traceback."""
    try:
        app()
    except RestockError as error:
        sys.stderr.write(f"restock: {error}\n")
        sys.exit(1)
    except OSError as error:
        sys.stderr.write(f"restock: {error.filename or 'the system'}: {error.strerror or error}\n")
        sys.exit(1)
