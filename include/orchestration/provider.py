"""What Airflow is told of Restock as a provider: a Connection type with its form for each platform."""

from typing import Any

from airflow.sdk import BaseHook

from include.catalog.base import ConnectionForm
from include.catalog.registry import PLATFORMS, find_form


def _hook_name(platform: str) -> str:
    return f"{platform.title().replace('_', '')}Hook"


# Airflow wants a class per Connection type; pulls take the Connection themselves.
globals().update(
    {
        _hook_name(platform): type(
            _hook_name(platform),
            (BaseHook,),
            {
                "conn_type": f"restock_{platform}",
                "conn_name_attr": "conn_id",
                "default_conn_name": f"shop_{platform}",
                "hook_name": find_form(platform).title,
                "__module__": __name__,
            },
        )
        for platform in PLATFORMS
    }
)


def get_provider_info() -> dict[str, Any]:
    """Found by Airflow under the entry point `apache_airflow_provider`."""
    return {
        "package-name": "restock",
        "name": "Restock",
        "description": "Shops that Restock reads.",
        "connection-types": [_connection_type(platform, find_form(platform)) for platform in PLATFORMS],
    }


def _connection_type(platform: str, form: ConnectionForm) -> dict[str, Any]:
    return {
        "connection-type": f"restock_{platform}",
        "hook-class-name": f"{__name__}.{_hook_name(platform)}",
        "hook-name": form.title,
        "ui-field-behaviour": {
            "hidden-fields": list(form.hidden),
            "relabeling": dict(form.labels),
            "placeholders": dict(form.examples),
        },
        "conn-fields": {
            name: {
                "label": field.label,
                "description": field.description,
                "schema": {"type": ["string", "null"]} | ({"format": "password"} if field.is_secret else {}),
            }
            for name, field in form.fields.items()
        },
    }
