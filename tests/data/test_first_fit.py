"""First-fit packing equals a search through all rows."""

from hypothesis import given
from hypothesis import strategies as st

from mmerc.data.first_fit import place_first_fit


def search_all_rows(lengths, size_of_row):
    rows = []
    for item in sorted(range(len(lengths)), key=lambda item: -lengths[item]):
        for size, items in rows:
            if sum(lengths[other] for other in items) + lengths[item] <= size:
                items.append(item)
                break
        else:
            rows.append((size_of_row(lengths[item]), [item]))
    return rows


@given(
    lengths=st.lists(st.integers(1, 40), max_size=60),
    size_of_row=st.sampled_from([lambda n: 40, lambda n: 2 * n, lambda n: 8 if n <= 8 else 64]),
)
def test_placement_equals_a_search_through_all_rows(lengths, size_of_row):
    rows = place_first_fit(lengths, size_of_row=size_of_row)
    assert [(row.size, row.items) for row in rows] == search_all_rows(lengths, size_of_row)
