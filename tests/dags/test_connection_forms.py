from __future__ import annotations

import pytest

from include.catalog.registry import PLATFORMS


@pytest.mark.parametrize("platform", PLATFORMS)
def test_each_platform_has_a_connection_type_whose_secrets_are_password_fields(platform: str) -> None:
    from airflow.providers_manager import ProvidersManager

    known = ProvidersManager()
    conn_type = f"restock_{platform}"
    assert known.field_behaviours[conn_type]["relabeling"]["password"]
    fields = {
        widget.field_name: widget
        for name, widget in known.connection_form_widgets.items()
        if name.startswith(f"extra__{conn_type}__")
    }
    assert fields
    secret = {name for name, widget in fields.items() if widget.is_sensitive}
    assert secret == {name for name in fields if "secret" in name} != set()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_hook_of_each_connection_type_can_be_imported(platform: str) -> None:
    from airflow.providers_manager import ProvidersManager

    hook = ProvidersManager().hooks[f"restock_{platform}"]
    assert hook is not None and hook.hook_name.startswith("Restock: ")
