"""`restock flows`: the flow files."""

import typer

from include.cli.parts import command_group, console
from include.settings import load_settings

flows = command_group("The flow files.")


@flows.command("check")
def flows_check() -> None:
    """Read every flow file and list its problems."""
    from include.flows.definition import BrokenFlow, load_flows
    from include.messaging.render.library import built_in_library

    library = built_in_library()
    known = load_flows(
        load_settings().flows_folder, tuple(library.list_templates()), tuple(library.list_templates("SMS"))
    )
    broken = [flow for flow in known if isinstance(flow, BrokenFlow)]
    for flow in broken:
        console.print(str(flow))
    if broken:
        raise typer.Exit(1)
    console.print("Every flow file is valid.")
