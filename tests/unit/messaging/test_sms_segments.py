from __future__ import annotations

import pytest

from include.messaging.sms_segments import count_segments


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("€" * 153, 3),
        ("ä" * 160, 1),
        ("ş" * 70, 1),
        ("ş" * 71, 2),
        ("ş" * 134, 2),
        ("ş" * 135, 3),
        ("🎉" * 35, 1),
        ("🎉" * 36, 2),
        ("🎉" * 67, 3),
        ("a" * 69 + "ş", 1),
        ("a" * 70 + "ş", 2),
    ],
)
def test_segments_are_counted_by_alphabet_and_no_character_is_cut(text: str, segments: int) -> None:
    assert count_segments(text) == segments
