from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import format_span, parse_moment, parse_span


def test_a_date_means_its_end_so_that_all_of_the_day_is_known():
    assert parse_moment("2021-05-18") == datetime(2021, 5, 19, tzinfo=UTC)


def test_a_moment_with_an_offset_is_brought_to_utc():
    assert parse_moment("2021-05-18T06:00+02:00") == datetime(2021, 5, 18, 4, tzinfo=UTC)


@given(st.integers(min_value=1, max_value=10**6))
def test_spans_are_read_as_they_are_written(minutes):
    span = timedelta(minutes=minutes)
    assert parse_span(format_span(span)) == span


@pytest.mark.parametrize("text", ["", "30", "d", "-3d", "0d", "3 months", "1e3d"])
def test_a_wrong_span_says_how_to_write_one(text):
    with pytest.raises(ValueError, match="write 30d"):
        parse_span(text)
