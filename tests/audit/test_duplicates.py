"""Duplicates among negatives, and copies of positives and queries."""

from hypothesis import given, settings
from hypothesis import strategies as st

from syneg_data.audit.duplicates import NAMES, measure

A = "one two three four five six seven eight nine ten eleven twelve"
B = "red orange yellow green blue indigo violet black white grey brown pink"
C = "cat dog cow pig hen goat duck goose horse mouse rat sheep"
D = "paris rome oslo bern kyiv riga minsk sofia athens vienna berlin prague"


def named(subject):
    return {m.name: m for m in measure(subject)}


def test_what_is_a_duplicate_of_what(subject_of):
    found = named(
        subject_of(
            [
                ("query of a", "positive a", [A, B], [C]),
                ("query of b", D, [f"{A} thirteen", f"{D} london"], [C.upper() + "!", "entirely different words here"]),
                (A, "positive c", [f"{A}?"], ["again others than all of those"]),
            ]
        )
    )
    assert {name: (m.value, m.n) for name, m in found.items()} == {
        "exact_duplicates": (0.4444, 9),  # A and A?, C in either case
        "near_duplicates": (0.5556, 9),  # and A with thirteen
        "near_duplicates_synthetic": (0.6, 5),
        "near_duplicates_mined": (0.5, 4),
        "copied_positive_synthetic": (0.2, 5),
        "copied_positive_mined": (0.0, 4),
        "copied_query": (0.1111, 9),
    }
    assert tuple(found) == NAMES
    assert found["near_duplicates_synthetic"].sentence == (
        "3 of 5 (60 %) written negative documents say almost word for word what another of them says (four fifths of "
        "their 3-word sequences in common)."
    )
    assert found["copied_positive_mined"].sentence.startswith("None of 4 mined negatives are almost word for word")


def test_one_document_for_two_queries_is_no_duplicate_of_itself(subject_of):
    found = named(subject_of([("q one", "p one", [], [C]), ("q two", "p two", [], [C])]))
    assert (found["exact_duplicates"].value, found["near_duplicates_mined"].value) == (0.0, 0.0)
    assert found["near_duplicates_mined"].n == 1
    assert found["copied_query"].n == 2


def test_a_positive_that_is_known_but_not_trained_on_counts(subject_of):
    subject = subject_of([("q one", "p one", [f"{A} x"], []), ("q two", A, [B], [])])
    subject.collection.qrels["q0"]["d2"] = 2
    assert named(subject)["copied_positive_synthetic"].value == 0.5


def test_without_negatives_of_a_kind_there_is_no_figure(subject_of):
    found = named(subject_of([("q", "p", [A], [])]))
    mined = found["near_duplicates_mined"]
    assert (mined.value, mined.low, mined.n, mined.sentence) == (None, None, 0, "No negative is mined.")
    assert all(m.value is None for m in named(subject_of([])).values())


TEXT = st.sampled_from([A, f"{A} x", f"{A}!", B, f"{B} y", C, "", "..."])
ROWS = st.lists(
    st.tuples(TEXT, TEXT, st.lists(TEXT, max_size=2, unique=True), st.lists(TEXT, max_size=2, unique=True)), max_size=5
)


@settings(max_examples=40)
@given(ROWS, st.randoms())
def test_neither_order_nor_ids_change_a_figure(rows, random):
    from tests.audit.conftest import make_subject

    shuffled = list(rows)
    random.shuffle(shuffled)

    def figures(subject):
        return {m.name: (m.value, m.n, m.sentence) for m in measure(subject)}

    assert figures(make_subject(rows)) == figures(make_subject(shuffled, "z"))
