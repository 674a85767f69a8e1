from hypothesis import given
from hypothesis import strategies as st

from stormsail.adapters.cex._pages import backward, forward, once, windows
from stormsail.adapters.cex._table import coin_of
from stormsail.core import VenueError

STEP = 10
rows = st.sets(st.integers(0, 60)).map(lambda held: sorted(n * STEP for n in held))
limits = st.integers(1, 20)


@given(held=rows, limit=limits, cap=limits, start=st.integers(0, 30), length=st.integers(0, 40))
def test_windows_lose_nothing_however_few_come_back(
    held: list[int], limit: int, cap: int, start: int, length: int
) -> None:
    first, last = start * STEP, (start + length) * STEP

    def page(since: int, until: int, ask: int) -> list[int]:
        return [t for t in held if since <= t <= until][: min(ask, cap)]

    assert windows(page, int, first, last, STEP, limit) == [t for t in held if first <= t < last]


@given(held=rows, limit=limits, start=st.integers(0, 300), length=st.integers(0, 400))
def test_both_directions_find_the_same(held: list[int], limit: int, start: int, length: int) -> None:
    end = start + length
    wanted = [t for t in held if start <= t < end]
    oldest = forward(lambda since, n: [t for t in held if t >= since][:n], int, start, end, limit)
    newest = backward(lambda until, n: [t for t in held if t <= until][::-1][:n], int, start, end, limit)
    assert oldest == wanted
    assert sorted(newest) == wanted


def test_a_venue_that_ignores_the_span_ends_the_reading() -> None:
    assert forward(lambda since, n: [1, 2, 3], int, 5, 100, 10) == []
    assert backward(lambda until, n: [500], int, 5, 100, 10) == []
    assert windows(lambda since, until, n: [500], int, 0, 100, 10, 5) == []


def test_repeated_rows_count_once_and_contradictions_are_refused() -> None:
    assert once([(2, "b"), (1, "a"), (2, "b")], "x") == ["a", "b"]
    try:
        once([(1, "a"), (1, "b")], "bars of X")
    except VenueError as error:
        assert "bars of X" in str(error)
    else:
        raise AssertionError("a contradiction passed")


def test_thousands_are_told_from_letters() -> None:
    assert coin_of("1000SHIB") == ("SHIB", 1000)
    assert coin_of("kSHIB") == ("SHIB", 1000)
    assert coin_of("KSM") == ("KSM", 1)
    assert coin_of("1INCH") == ("1INCH", 1)
