"""How many segments an SMS takes: that is what providers count and bill."""

from gsm0338 import Codec

MOST_SEGMENTS = 10

_GSM = Codec()
_GSM_ALONE, _GSM_EACH = 160, 153
_UCS2_ALONE, _UCS2_EACH = 70, 67


class SmsTooLong(Exception):
    """No provider takes a text of more than MOST_SEGMENTS segments."""


def count_segments(text: str) -> int:
    """Segments of a text: GSM-7 where all its characters are in that alphabet, else UCS-2."""
    try:
        sizes = [len(_GSM.encode(character)[0]) for character in text]
    except UnicodeEncodeError:
        units = [len(character.encode("utf-16-be")) // 2 for character in text]
        return _count(units, _UCS2_ALONE, _UCS2_EACH)
    return _count(sizes, _GSM_ALONE, _GSM_EACH)


def _count(sizes: list[int], alone: int, each: int) -> int:
    """A character of two units is never cut in two, so a segment can end a unit early."""
    if sum(sizes) <= alone:
        return 1
    segments, room = 1, each
    for size in sizes:
        if size > room:
            segments, room = segments + 1, each
        room -= size
    return segments
