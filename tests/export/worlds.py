"""Finished sets for the tests of export formats: one as plain as can be, one as hostile as a source lets in."""

import random

from syneg_data.collection import Collection, Document
from syneg_data.export.finished import Finished
from syneg_data.records import Example

HOSTILE = [
    "a\ttab", "two\nlines", "carriage\r\nreturn", "alone\rhere", "line\u2028separator", "paragraph\u2029here",
    "next\x85line", "NUL\0within", "a\x0b\x0c\x1c\x1d\x1e\x1fb", "\ufeffmark", 'quotes " and "" more',
    "back\\slash \\n",
    "{curly} [x] <b>", "- not a list", "caf\u00e9 e\u0301", "\U0001f600 \U0010ffff \ue000", "\u202eright to left",
    "NaN", "null", " spaces around ", "x" * 200_000,
]  # fmt: skip

PLAIN = Finished(
    Collection(
        {
            d.doc_id: d
            for d in (
                Document("p1", "one", "First"), Document("p2", "two"), Document("m1", "mined one", "M"),
                Document("m2", "mined two"), Document("s1", "synthetic one"), Document("s2", "synthetic two"),
            )
        },
        {"q2": "second?", "q1": "first?"},
        {"q1": {"p1": 2, "m2": 0}, "q2": {"p2": 1}},
        "digest",
    ),
    [
        Example("q2", "p2", ("s2", "m2"), ("synthetic:syneg", "mined:bm25"), (0.5, 0.25)),
        Example("q1", "p1", ("s1", "m1"), ("synthetic:syneg", "mined:bm25+dense"), (0.75, -0.5)),
    ],
    synthetic=frozenset({"s1", "s2", "s9"}),
    positive_scores={("q2", "p2"): 0.9, ("q1", "p1"): 0.875},
    held_out={"test": Collection({}, {"q9": "ninth?"}, {"q9": {"m1": 1, "m2": 1}}, "other")},
)  # fmt: skip


def ragged(**changes) -> Finished:
    """PLAIN with one negative for the second example."""
    first, second = PLAIN.examples
    fewer = Example(second.query_id, second.positive_id, ("s1",), ("synthetic:syneg",), (0.75,))
    return Finished(**{**vars(PLAIN), "examples": [first, fewer], **changes})


def hostile() -> Finished:
    """Every hostile text as a query, as a text and as a title."""
    n = len(HOSTILE)
    documents = {f"d{i}": Document(f"d{i}", text, HOSTILE[-1 - i]) for i, text in enumerate(HOSTILE)}
    queries = {f"q{i}": text for i, text in enumerate(HOSTILE)}
    examples = [
        Example(f"q{i}", f"d{i}", (f"d{(i + 1) % n}", f"d{(i + 2) % n}"), ("mined:bm25",) * 2, (1e-05, -1 / 3))
        for i in range(n)
    ]
    scores = {(e.query_id, e.positive_id): 0.1 + 0.2 for e in examples}
    qrels = {f"q{i}": {f"d{i}": 1} for i in range(n)}
    return Finished(Collection(documents, queries, qrels, "digest"), examples, positive_scores=scores)


def many(n: int, length: int = 40) -> Finished:
    """So many examples of two negatives, of texts of so many words."""
    rng = random.Random(n)
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 9))) for _ in range(2000)]
    documents = {f"d{i}": Document(f"d{i}", " ".join(rng.choices(words, k=length))) for i in range(n + 2)}
    queries = {f"q{i}": " ".join(rng.choices(words, k=6)) for i in range(n)}
    examples = [
        Example(f"q{i}", f"d{i}", (f"d{i + 1}", f"d{i + 2}"), ("mined:bm25",) * 2, (0.5, 0.25)) for i in range(n)
    ]
    scores = {(e.query_id, e.positive_id): 0.75 for e in examples}
    return Finished(
        Collection(documents, queries, {f"q{i}": {f"d{i}": 1} for i in range(n)}, "digest"), examples, "train",
        positive_scores=scores,
    )  # fmt: skip
