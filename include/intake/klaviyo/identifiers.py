"""Ids as Klaviyo writes them: `integration:::catalog:::externalId`; the last part is the shop's own id."""

from dataclasses import dataclass

from include.domain.request import LONGEST_ID
from include.intake.answers import ApiError

SEPARATOR = ":::"
CATALOG = "$default"
CUSTOM = "$custom"
INTEGRATIONS = (
    CUSTOM,
    "$shopify",
    "$bigcommerce",
    "$magento_one",
    "$magento_two",
    "$woocommerce",
    "$salesforce",
)


@dataclass(frozen=True)
class CatalogId:
    """One id of an item or a variant."""

    integration: str
    external_id: str

    def __str__(self) -> str:
        return SEPARATOR.join((self.integration, CATALOG, self.external_id))


def read_catalog_id(text: str, pointer: str | None = None, parameter: str | None = None) -> CatalogId:
    """A compound id, or a shop's own id alone; raises ApiError."""
    parts = text.split(SEPARATOR, 2)
    integration = parts[0] if len(parts) == 3 else CUSTOM
    external_id = check_external_id(parts[-1], pointer, parameter)
    if len(parts) == 2 or integration not in INTEGRATIONS or (len(parts) == 3 and parts[1] != CATALOG):
        raise ApiError.of(
            400,
            f"This is no catalog id. Allowed is integration:::$default:::id with one of {', '.join(INTEGRATIONS)}.",
            pointer,
            parameter,
        )
    return CatalogId(integration, external_id)


def check_external_id(text: str, pointer: str | None = None, parameter: str | None = None) -> str:
    """A shop's own id: 1 to LONGEST_ID printable characters."""
    external_id = text.strip()
    if not external_id or len(external_id) > LONGEST_ID or not _is_printable(external_id):
        raise ApiError.of(
            400, f"This id is no text of 1 to {LONGEST_ID} printable characters.", pointer, parameter
        )
    return external_id


def _is_printable(text: str) -> bool:
    return not any(character < " " or character == "\x7f" for character in text)
