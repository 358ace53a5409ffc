"""When the whole room is told something: many gone at once."""

import pytest

from monitoring import notices

NOW = 1_790_000_000_000


@pytest.mark.parametrize(
    ("gone_seconds", "came", "told"),
    [
        ([], 30, None),
        ([0, 1, 2, 3], 30, None),
        ([0, 1, 2, 3, 4], 30, None),
        ([0, 1, 2, 3, 4], 25, 5),
        ([0, 1, 2, 3, 4, 5], 30, 6),
        ([0, 5, 10, 15, 20], 5, 5),
        ([0, 5, 10, 15, 21], 5, None),
        ([0, 100, 101, 102, 103, 104, 130], 20, 5),
        (range(60), 300, None),
        ([0] * 60, 300, 60),
    ],
)
def test_many_are_five_and_a_fifth_of_who_came_within_20_seconds(gone_seconds, came, told):
    found = notices.mass_drop([NOW + second * 1000 for second in gone_seconds], came=came)

    assert (found and found["n"]) == told


def test_the_order_in_which_they_are_known_does_not_matter():
    moments = [NOW + second * 1000 for second in (7, 3, 90, 1, 4, 2)]

    assert notices.mass_drop(moments, came=6) == notices.mass_drop(sorted(moments), came=6)
    assert notices.mass_drop(moments, came=6)["at"] == notices.iso(notices.from_ms(NOW + 1000))


def test_the_newest_five_are_told_newest_first():
    kinds = [notices.notice(notices.MASS_DROP, f"2026-01-01T00:00:0{n}Z", n=n) for n in range(7)]

    assert [item["n"] for item in notices.newest([None, *kinds])] == [6, 5, 4, 3, 2]
