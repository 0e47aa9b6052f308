"""The GraphQL documents of this folder by name."""

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


@cache
def document(name: str) -> str:
    """The text of `<name>.graphql`."""
    return (FOLDER / f"{name}.graphql").read_text(encoding="utf-8")


def document_names() -> tuple[str, ...]:
    """Every document, for the test that validates them all."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.graphql")))
