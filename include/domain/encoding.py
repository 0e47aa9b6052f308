"""Names of text encodings, as servers, XML declarations and people write them."""

import codecs

_LATIN = {f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)}
_WINDOWS = {f"cp{page}" for page in range(1250, 1259)}
_ASIAN = {"shift_jis", "cp932", "euc_jp", "gb18030", "gbk", "gb2312", "big5", "euc_kr", "cp949"}
_WIDE = {f"utf-{width}{order}" for width in (16, 32) for order in ("", "-le", "-be")}
_ALLOWED = {"utf-8", *_LATIN, *_WINDOWS, *_ASIAN, *_WIDE, "koi8-r", "koi8-u", "mac-roman", "cp437", "cp850"}
# As browsers do: what calls itself one of the left is in truth the wider one at the right.
_IN_TRUTH = {"ascii": "utf-8", "utf-8-sig": "utf-8", "iso8859-1": "cp1252"}


def find_codec(name: str) -> str | None:
    """Python's name of the encoding called `name`, or None where feeds are not read in it."""
    try:
        codec = codecs.lookup(name.strip()).name
    except (LookupError, ValueError, UnicodeError):
        return None
    codec = _IN_TRUTH.get(codec, codec)
    return codec if codec in _ALLOWED else None
