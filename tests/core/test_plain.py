import json
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import Estimate, Trouble, Unavailable
from stormsail.core.plain import to_plain


def test_dataclasses_become_mappings_and_keep_their_order():
    plain = to_plain(Estimate(1.5, None, 10, "w", "m"))
    assert list(plain)[:3] == ["value", "error", "n"]


def test_dates_spans_words_and_arrays():
    assert to_plain(datetime(2025, 1, 2, tzinfo=UTC)) == "2025-01-02T00:00:00Z"
    assert to_plain(timedelta(hours=24)) == "1d"
    assert to_plain(Trouble.NAKED) == "naked"
    assert to_plain(np.array([1.0, math.nan])) == [1.0, None]
    assert to_plain(Unavailable("no book")) == {"unavailable": "no book"}


@given(
    st.recursive(
        st.floats() | st.decimals(allow_nan=False, allow_infinity=False) | st.text() | st.none(),
        st.lists,
        max_leaves=20,
    )
)
def test_anything_becomes_strict_json(value):
    json.dumps(to_plain(value), allow_nan=False)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20))
def test_exact_numbers_come_back_exactly(value):
    assert Decimal(to_plain(value)) == value
