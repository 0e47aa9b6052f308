"""How many examples a property is shown: few and always the same in `make test`, many new ones in `make fuzz`."""

from hypothesis import settings

MORE = 10


def examples(count: int) -> int:
    return count * (MORE if settings.get_current_profile_name() == "searching" else 1)
