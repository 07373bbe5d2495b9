"""What a training set shares with what retrievers are evaluated on."""

from syneg_data.audit.contamination import NAMES, measure
from syneg_data.collection import Collection, Document

A = "one two three four five six seven eight nine ten eleven twelve thirteen"
B = "red orange yellow green blue indigo violet black white grey brown pink teal"
C = "cat dog cow pig hen goat duck goose horse mouse rat sheep bee"
D = "paris rome oslo bern kyiv riga minsk sofia athens vienna berlin prague bonn"


def split(queries, passages):
    documents = {f"e{i}": Document(f"e{i}", text) for i, text in enumerate(passages)}
    texts = {f"t{i}": text for i, text in enumerate(queries)}
    return Collection(documents, texts, {"t0": {doc_id: 1 for doc_id in documents}}, "digest")


def named(subject):
    return {m.name: m for m in measure(subject)}


def figures(subject):
    return {name: (m.value, m.n) for name, m in named(subject).items()}


CLEAN = [
    ("does aspirin thin the blood", "blood is thinned by aspirin", ["aspirin is a tree product"], ["no one knows"]),
    ("is vitamin d good for bones", "bones like vitamin d", ["vitamin d comes from fish"], ["the sun gives it"]),
]


def test_nothing_to_compare_with_is_said(subject_of):
    for subject in (subject_of(CLEAN), subject_of(CLEAN, held_out={"dev": split([], [])}, evaluation={"x": []})):
        found = named(subject)
        assert tuple(found) == NAMES
        assert all((m.value, m.n) == (None, 0) for m in found.values())
        assert "no split to evaluate on" in found["contaminated_queries"].sentence


def test_a_clean_set_shares_nothing(subject_of):
    subject = subject_of(CLEAN, held_out={"test": split(["who was first"], [A])}, evaluation={"x.txt": [B]})
    assert {value for value, _ in figures(subject).values()} == {0.0}
    assert named(subject)["contaminated_queries"].sentence == (
        "None of 2 training queries are evaluation queries, too: in the same words, or all but one in ten "
        "(split test: 0, x.txt: 0)."
    )


def test_queries_that_are_evaluated_on(subject_of):
    queries = ["Does aspirin thin the blood?", "for bones is vitamin D good", "is vitamin c good for bones"]
    subject = subject_of(CLEAN, held_out={"dev": split(queries[:1], []), "test": split(queries[1:], [])})
    found = named(subject)["contaminated_queries"]
    assert (found.value, found.n) == (1.0, 2)
    assert "(split dev: 1, split test: 1)" in found.sentence
    subject = subject_of(CLEAN, held_out={"test": split(queries[2:], [])})
    assert named(subject)["contaminated_queries"].value == 0.0
    subject = subject_of(CLEAN, evaluation={"bench.jsonl": queries})
    assert "(bench.jsonl: 2)" in named(subject)["contaminated_queries"].sentence


def test_passages_that_are_evaluated_on(subject_of):
    rows = [
        ("first query", A, [B + " mauve"], [C]),
        ("second query", "another positive", ["something else"], [D]),
    ]
    subject = subject_of(rows, held_out={"test": split(["unlike any"], [A.upper(), B, f"{C} wasp"])})
    assert figures(subject) == {
        "contaminated_queries": (0.0, 2),
        "shared_positives": (0.5, 2),
        "contaminated_negatives": (0.5, 2),
        "evaluation_positives_mined": (0.5, 2),
        "evaluation_ngrams": (0.5, 2),
    }


def test_a_passage_that_is_relevant_to_nothing_evaluated_is_no_contamination(subject_of):
    part = split(["unlike any"], [A])
    part.qrels["t0"]["e0"] = 0
    assert figures(subject_of([("q", A, ["x"], [])], held_out={"test": part}))["shared_positives"] == (0.0, 1)


def test_thirteen_words_in_a_row(subject_of):
    rows = [
        ("q one", "p one", [f"he said: {A.title()}, and left"], []),
        ("q two", "p two", [f"he said {A.removesuffix(' thirteen')} and left"], []),
        ("q three", "p three", ["a text of " + A.removeprefix("one ") + " fourteen"], []),
        ("q four", "p four", ["short"], []),
    ]
    passage = f"a passage of many words that ends {A} and goes on"
    found = named(subject_of(rows, evaluation={"f": [passage]}))["evaluation_ngrams"]
    assert (found.value, found.n) == (0.25, 4)
    other_way = " ".join(reversed(A.split()))
    assert named(subject_of(rows, evaluation={"f": [other_way]}))["evaluation_ngrams"].value == 0.0


def test_a_sequence_does_not_run_over_from_one_text_into_the_next(subject_of):
    half, rest = " ".join(A.split()[:7]), " ".join(A.split()[7:])
    rows = [("q one", "p one", [half, rest], [])]
    assert named(subject_of(rows, evaluation={"f": [A]}))["evaluation_ngrams"].value == 0.0


def test_texts_of_few_words_are_contaminated_if_they_are_the_same(subject_of):
    rows = [("why", "because", ["so what"], ["no"])]
    assert figures(subject_of(rows, evaluation={"f": ["Why?", "Because!", "So, what.", "NO", ""]})) == {
        "contaminated_queries": (1.0, 1),
        "shared_positives": (1.0, 1),
        "contaminated_negatives": (1.0, 1),
        "evaluation_positives_mined": (1.0, 1),
        "evaluation_ngrams": (0.0, 1),
    }


def test_a_split_and_a_file_of_one_name_are_told_apart(subject_of):
    subject = subject_of(CLEAN, held_out={"test": split([CLEAN[0][0]], [])}, evaluation={"test": [CLEAN[1][0]]})
    assert "(split test: 1, test: 1)" in named(subject)["contaminated_queries"].sentence


def test_neither_order_nor_ids_change_a_figure(subject_of):
    rows = [("first", A, [B], [C]), ("second", D, [f"{A} x"], [f"{B} y"]), ("third", "z", ["y"], ["x"])]
    part = split(["first", "other"], [A, C])
    one = figures(subject_of(rows, held_out={"test": part}))
    assert one == figures(subject_of(rows[::-1], "other", held_out={"test": part}))
    assert {value for value, _ in one.values()} == {0.3333}


def test_what_was_not_compared_with_all_is_said_where_it_belongs(subject_of):
    """A hundred and one passages of one template share what is looked at first; only the written negative has it."""
    template = " ".join(f"t{i}" for i in range(172))
    filled = [f"{template} " + " ".join(f"u{n}x{i}" for i in range(30)) for n in range(102)]
    subject = subject_of(
        [("does aspirin thin the blood", "blood is thinned by aspirin", [filled[0]], ["no one knows"])],
        held_out={"test": split(["who was first"], filled[1:])},
    )
    said = {name: "1 have more likely twins than were compared" in m.sentence for name, m in named(subject).items()}
    assert said == {name: name == "contaminated_negatives" for name in NAMES}
