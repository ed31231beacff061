"""However examples are laid out, each is there once, whole, and its labels are predicted from the place before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from training.batches import PADDING, pack, plan_passes, plan_steps, tensors
from training.examples import Example

lengths = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 12)), min_size=1, max_size=24)


def examples(sizes: list[tuple[int, int]]) -> list[Example]:
    made = []
    for number, (prompt, completion) in enumerate(sizes):
        ids = [10 + number * 100 + place for place in range(prompt + completion)]
        made.append(Example(f"{number:03}", tuple(ids[:prompt]), tuple(ids[prompt:])))
    return made


def flat(nested: list[list[list[Example]]]) -> list[Example]:
    return sorted((one for rows in nested for row in rows for one in row), key=lambda one: one.sample_id)


@given(lengths, st.integers(52, 200))
def test_packing_keeps_every_example_within_the_capacity(sizes: list[tuple[int, int]], capacity: int):
    these = examples(sizes)
    rows = pack(these, capacity)
    assert flat([rows]) == these
    totals = [sum(one.length for one in row) for row in rows]
    assert max(totals) <= capacity
    assert all(one + other > capacity for at, one in enumerate(totals) for other in totals[:at])
    assert pack(these[::-1], capacity) == rows


@given(lengths, st.integers(1, 400), st.booleans())
def test_passes_hold_every_row_and_little_padding(sizes: list[tuple[int, int]], places: int, packed: bool):
    these = examples(sizes)
    rows = pack(these, 60) if packed else [[one] for one in these]
    passes = plan_passes(rows, places)
    assert flat(passes) == these
    for rows_of_pass in passes:
        made = tensors(rows_of_pass, 0)
        size = made.input_ids.numel()
        assert len(rows_of_pass) == 1 or (size <= places and made.padding <= PADDING * size + 1e-9)


@given(lengths, st.booleans())
def test_labels_are_the_completions_and_nothing_of_the_prompts(sizes: list[tuple[int, int]], packed: bool):
    these = examples(sizes)
    rows = pack(these, 60) if packed else [[one] for one in these]
    made = tensors(rows, pad_id=0)
    assert sorted(made.labels.tolist()) == sorted(token for one in these for token in one.completion)
    ids, positions = made.input_ids.flatten(), made.position_ids.flatten()
    assert (ids[made.predictors] == made.labels - 1).all(), "each label is predicted from the token before it"
    assert (ids[made.predictors + 1] == made.labels).all() or len(made.labels) == 0
    assert int((ids == 0).sum()) == made.padding
    starts = {one.prompt[0] for one in these}
    for token, position in zip(ids.tolist(), positions.tolist(), strict=True):
        if token:
            assert (position == 0) == (token in starts)


def test_steps_follow_the_order_of_the_examples():
    these = examples([(3, 1)] * 10)
    steps = plan_steps(these, 4)
    assert [len(step) for step in steps] == [4, 4, 2]
    assert [one for step in steps for one in step] == these
