"""Text that people read: counts in sentences, cells of a spreadsheet."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def count_of(number: int, one: str, several: str | None = None) -> str:
    """A count as people say it: '1 unit', '5,000 units'; '1 person', '2 people'."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def neutralize_formula(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe goes before what could start one (9.2).

    Before what had one too, so that it can be told apart.
    """
    return "'" + text if text.lstrip("'").startswith(FORMULA_STARTS) else text


def restore_formula(text: str) -> str:
    """The text as it was before `neutralize_formula`."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(FORMULA_STARTS) else text
