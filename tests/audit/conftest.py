"""Small subjects, made of the texts that a test is about."""

import pytest

from syneg_data.audit.subject import Subject
from syneg_data.collection import Collection, Document
from syneg_data.records import Example


def make_subject(rows, prefix="", **changes):
    """A subject of (query, positive, written negatives, mined negatives), a query each; ids are numbers."""
    documents, queries, qrels, examples, ids = {}, {}, {}, [], {}

    def document(text):
        if text not in ids:
            ids[text] = f"{prefix}d{len(ids)}"
            documents[ids[text]] = Document(ids[text], text)
        return ids[text]

    for i, (query, positive, written, mined) in enumerate(rows):
        query_id = f"{prefix}q{i}"
        queries[query_id], qrels[query_id] = query, {document(positive): 1}
        negatives = [*map(document, written), *map(document, mined)]
        sources = ["synthetic:syneg"] * len(written) + ["mined:bm25"] * len(mined)
        examples.append(
            Example(query_id, document(positive), tuple(negatives), tuple(sources), (0.0,) * len(negatives))
        )
    return Subject(Collection(documents, queries, qrels, "digest"), examples, **changes)


@pytest.fixture
def subject_of():
    """`make_subject`."""
    return make_subject
