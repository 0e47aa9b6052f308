"""`restock delivery`, `channels`, `messages`: what leaves, what is held back, and what nobody is sure of."""

from typing import Annotated, Any

import typer
from sqlalchemy import Row

from include.cli.parts import command_group, console, open_database, present
from include.errors import ConfigurationError

delivery = command_group("Whether messages are handed to the provider.")
channels = command_group("Pause a channel, resume it, and see what waits.")
messages = command_group("Messages that wait for a person's decision.")


@delivery.command("show")
def delivery_show() -> None:
    """How this database delivers."""
    from include.services.outbox import read_delivery

    with open_database() as engine:
        known = read_delivery(engine)
    allowed = f": {', '.join(sorted(known.allow_list)) or 'nobody'}" if known.mode == "allow_list" else ""
    console.print(known.mode + allowed)


@delivery.command("set")
def delivery_set(
    mode: Annotated[str, typer.Argument(help="live, allow_list or record_only.")],
    allow: Annotated[
        list[str] | None,
        typer.Option(help="An address, a domain or a phone number, for allow_list; repeatable."),
    ] = None,
) -> None:
    """Set it, for this very database: a copy of it records only."""
    from include.services.outbox import set_delivery

    if mode not in ("live", "allow_list", "record_only"):
        raise ConfigurationError(
            f"'{mode}' is no way of delivery; allowed are live, allow_list and record_only."
        )
    with open_database() as engine:
        set_delivery(engine, mode, allow or [])
    nobody = (
        ", and nobody is on it: name addresses or domains with --allow"
        if mode == "allow_list" and not allow
        else ""
    )
    console.print(f"Delivery is {mode}{nobody}.")


@channels.command("list")
def channels_list() -> None:
    """Each channel: what waits, whether it is paused and why, when it is tried again; open alerts below."""
    from include.services.channels import list_alerts, list_channels

    with open_database() as engine:
        for row in list_channels(engine):
            due = f"; the first is due {row.earliest_due_at:%Y-%m-%d %H:%M}Z" if row.queued_count else ""
            console.print(f"{row.channel}: {row.queued_count} queued, {_pause_of(row)}{due}")
        for alert in list_alerts(engine):
            console.print(
                f"! {alert.kind} {alert.subject} since {alert.raised_at:%Y-%m-%d %H:%M}Z: {alert.detail}"
            )


@channels.command("pause")
def channels_pause(
    channel: Annotated[str, typer.Argument(help="EMAIL or SMS.")],
    reason: Annotated[str, typer.Option(help="Shown to whoever asks why nothing leaves.")],
) -> None:
    """Let nothing leave until `channels resume`; the queue stays."""
    from include.services.channels import pause_channel

    if not reason.strip():
        raise ConfigurationError("A pause needs a reason, for whoever asks why nothing leaves.")
    with open_database() as engine:
        pause_channel(engine, channel.upper(), reason, present())
    console.print(f"{channel.upper()} is paused until `restock channels resume {channel.upper()}`.")


@channels.command("resume")
def channels_resume(channel: Annotated[str, typer.Argument(help="EMAIL or SMS.")]) -> None:
    """Let a channel send again, whoever or whatever paused it."""
    from include.services.channels import resume_channel

    with open_database() as engine:
        resume_channel(engine, channel.upper(), present())
    console.print(f"{channel.upper()} sends again.")


@messages.command("doubts")
def messages_doubts() -> None:
    """What waits for a decision: its step is manual, restock_on_doubt is 'hold', or it was in doubt again and again."""
    from include.messaging.message_id import derive_message_id
    from include.services.doubts import list_doubts
    from include.services.outbox import read_delivery

    with open_database() as engine:
        held, identity = list_doubts(engine), read_delivery(engine).identity
    for row in held:
        known = derive_message_id(f"{row.shop_id}/{row.message_key}", "", identity).strip("<@>")
        console.print(
            f"{row.message_id}  {row.shop_id}  {row.channel}  {row.template}  {row.message_key}  "
            f"{'to be reviewed' if row.reason == 'manual' else 'in doubt'} since {row.held_at:%Y-%m-%d %H:%M}Z"
            + (f"  Message-ID {known}" if row.channel == "EMAIL" and row.reason != "manual" else "")
        )
    console.print(
        f"{len(held)} {'waits' if len(held) == 1 else 'wait'} for a decision: "
        "`restock messages settle ID sent`, `... resend` or `... cancel`."
        if held
        else "No message waits for a decision."
    )


@messages.command("settle")
def messages_settle(
    message_id: Annotated[int, typer.Argument(help="The id in `restock messages doubts`.")],
    decision: Annotated[
        str,
        typer.Argument(help="sent: it arrived. resend: it goes, same Message-ID. cancel: it does not leave."),
    ],
) -> None:
    """Decide about one message that is in doubt or to be reviewed."""
    from include.services.doubts import settle_as_sent, settle_by_cancelling, settle_by_resending

    decisions = {
        "sent": (settle_as_sent, "counts as sent"),
        "resend": (settle_by_resending, "goes, under the same Message-ID"),
        "cancel": (settle_by_cancelling, "does not leave"),
    }
    if decision not in decisions:
        raise ConfigurationError(f"'{decision}' is no decision; allowed are sent, resend and cancel.")
    settle, what_follows = decisions[decision]
    with open_database() as engine:
        settle(engine, message_id, present())
    console.print(f"Message {message_id} {what_follows}.")


def _pause_of(row: Row[Any]) -> str:
    if row.paused_at is None:
        return "sends"
    tried = f"tried again {row.probe_at:%Y-%m-%d %H:%M:%S}Z" if row.probe_at else "until a person resumes it"
    return f"paused since {row.paused_at:%Y-%m-%d %H:%M}Z ({row.pause_reason}), {tried}"
