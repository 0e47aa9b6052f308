"""The flow files of this project, as Dags and tasks see them."""

from include.domain.flow import Flow
from include.flows.definition import BrokenFlow, load_flows
from include.messaging.render.library import built_in_library
from include.settings import load_settings


def read_flow_files() -> tuple[Flow | BrokenFlow, ...]:
    """Every flow file, valid or broken."""
    library = built_in_library()
    return load_flows(
        load_settings().flows_folder, tuple(library.list_templates()), tuple(library.list_templates("SMS"))
    )


def valid_flows() -> tuple[Flow, ...]:
    """Those that can be used."""
    return tuple(flow for flow in read_flow_files() if isinstance(flow, Flow))
