"""`restock flows`: the flow files."""

from typing import TYPE_CHECKING

import typer

from include.cli.parts import command_group, console
from include.settings import load_settings

if TYPE_CHECKING:
    from include.domain.flow import Flow
    from include.flows.definition import BrokenFlow

flows = command_group("The flow files.")


def read_flow_files() -> "tuple[Flow | BrokenFlow, ...]":
    """Every flow file, valid or broken."""
    from include.flows.definition import load_flows
    from include.messaging.render.library import built_in_library

    library = built_in_library()
    return load_flows(
        load_settings().flows_folder, tuple(library.list_templates()), tuple(library.list_templates("SMS"))
    )


@flows.command("check")
def flows_check() -> None:
    """Read every flow file and list its problems."""
    from include.flows.definition import BrokenFlow

    broken = [flow for flow in read_flow_files() if isinstance(flow, BrokenFlow)]
    for flow in broken:
        console.print(str(flow))
    if broken:
        raise typer.Exit(1)
    console.print("Every flow file is valid.")
