"""What the demo came to: a file for programs, a table for people."""

import json
from pathlib import Path
from typing import Any

from include.db.queries import run_query
from include.local.demo.show import Show
from include.local.demo.theatre import LONG_AGO, SHOP_ID, Theatre
from include.settings import Settings


def write_summary(theatre: Theatre) -> dict[str, Any]:
    """Count everything and write `summary.json`."""
    with theatre.engine.connect() as connection:
        counts = run_query(connection, "demo.summarize", shop_id=SHOP_ID).one()
        skips = run_query(connection, "demo.count_skips_since", shop_id=SHOP_ID, since=LONG_AGO).all()
    skipped: dict[str, int] = {}
    for row in skips:
        skipped[row.reason] = skipped.get(row.reason, 0) + row.request_count
    summary = {
        "windows": counts.window_count,
        "rejected_snapshots": counts.rejected_count,
        "rows": counts.row_count,
        "variants": counts.variant_count,
        "restock_events": counts.event_count,
        "batches": counts.batch_count,
        "released": int(counts.released_count),
        "sent": counts.sent_count,
        "skipped": skipped,
        "unsent": counts.unsent_count,
        "waiting": counts.waiting_count,
        "mails": theatre.count_mails(),
        "report_mails": len(theatre.report_mails()),
        "charts": len(list((theatre.settings.var_folder / "exports").rglob("*.png"))),
        "seconds": round(theatre.show.seconds, 1),
    }
    path = theatre.settings.var_folder / "summary.json"
    path.write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def show_summary(show: Show, settings: Settings, summary: dict[str, Any]) -> None:
    """The table at the end, and where everything lies."""
    var = settings.var_folder
    skipped = ", ".join(f"{count} {reason}" for reason, count in summary["skipped"].items())
    pulls, refused = summary["windows"], summary["rejected_snapshots"]
    show.open_act("Done", "What this run came to:")
    show.list_figures(
        {
            "pulled": f"{summary['variants']:,} variants, {pulls} times, {refused} of them refused",
            "restocked": f"{summary['restock_events']} variants",
            "released": f"{summary['released']} people in {summary['batches']} batches",
            "sent": f"{summary['sent']} mails",
            "skipped": skipped or "nobody",
            "still waiting": f"{summary['waiting']:,}",
            "mails": str(var / "mailbox"),
            "reports": f"{var / 'exports' / SHOP_ID} ({_list_reports(var / 'exports' / SHOP_ID)})",
            "charts": f"{summary['charts']} as PNG and SVG in {var / 'exports' / SHOP_ID / 'charts'}",
            "summary": str(var / "summary.json"),
        }
    )
    show.say("Everything that was started is stopped. `make up` starts a stack that stays, to play with.")


def _list_reports(folder: Path) -> str:
    """Those with rows: yesterday's reports, which Airflow made too, are empty."""
    filled = [path.name for path in sorted(folder.rglob("*.csv")) if path.read_bytes().count(b"\n") > 1]
    return ", ".join(filled) or "none with rows"
