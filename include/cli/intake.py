"""`restock intake`: the public door."""

from typing import Annotated

import typer

from include.cli.parts import command_group

intake = command_group("The public door: API, webhooks, links of mails.")


@intake.command("serve")
def intake_serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8600,
    host: Annotated[str, typer.Option(help="0.0.0.0 only behind a proxy that ends TLS.")] = "127.0.0.1",
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 1,
) -> None:
    """Answer requests until SIGTERM or Ctrl-C; refuses a database of another version."""
    from include.intake.serve import serve

    serve(host, port, workers)
