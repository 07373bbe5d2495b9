"""The source `pairs`: ids that follow from content, held-out parts by query, and every fault by file and line."""

import csv
import gzip
import hashlib
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from syneg_data.collection import Document, normalise
from syneg_data.errors import InputError
from syneg_data.sources import Pairs, Source
from syneg_data.sources.pairing import content_id

ROWS = [
    {"query": "what is a quince?", "positive": "A fruit."},
    {"query": "what is a plum?", "positive": "Another fruit."},
    {"query": "what is a quince?", "positive": "A tree of the rose family."},
]


def spec(path, **fields) -> Pairs:
    values = {"kind": "pairs", "path": str(path), "license": "mit", **fields}
    built = TypeAdapter(Source).validate_python(values, context={"base": "."})
    assert isinstance(built, Pairs)
    return built


def jsonl(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, so that messages show short paths."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(path, seed=13, limit=None, **fields):
    return spec(path, **fields).load(seed, limit)


def refused(path, **fields):
    with pytest.raises(InputError) as caught:
        load(path, **fields)
    assert caught.value.exit_code == 2
    return str(caught.value)


# What is read


def test_texts_are_documents_and_a_query_with_two_positives_is_one_query(here):
    collection = load(jsonl(here / "pairs.jsonl", ROWS))
    assert [d.text for d in collection.documents.values()] == [
        "A fruit.", "Another fruit.", "A tree of the rose family.",
    ]  # fmt: skip
    assert sorted(collection.queries.values()) == ["what is a plum?", "what is a quince?"]
    quince = content_id("q", "what is a quince?")
    assert collection.qrels[quince] == {
        content_id("d", "", "A fruit."): 1, content_id("d", "", "A tree of the rose family."): 1,
    }  # fmt: skip
    assert collection.rejected == {}


def test_ids_follow_from_the_content_alone(here):
    """A letter and twenty hex digits of sha256 over each text with its length in bytes before it."""
    expected = hashlib.sha256(b"0:6:Caf\xc3\xa9s").hexdigest()[:20]
    assert content_id("d", "", "Caf\u00e9s") == f"d{expected}"
    assert content_id("d", "ab", "c") != content_id("d", "a", "bc")
    first = load(jsonl(here / "a.jsonl", ROWS))
    second = load(jsonl(here / "b.jsonl", [*ROWS[::-1], {"query": "more", "positive": "A fruit."}]))
    assert set(first.documents) == set(second.documents)
    assert set(first.queries) < set(second.queries)


def test_columns_can_have_other_names_titles_and_ids(here):
    rows = [
        {"q": "one?", "a": "text", "t": "Title", "qid": "q7", "aid": "a7", "more": [1, None]},
        {"q": "two?", "a": "text", "t": "", "qid": "q8", "aid": "a8", "more": 0},
    ]
    names = {"query": "q", "positive": "a", "title": "t", "query_id": "qid", "positive_id": "aid"}
    collection = load(jsonl(here / "x.jsonl", rows), **names)
    assert list(collection.documents.values()) == [Document("a7", "text", "Title"), Document("a8", "text", "")]
    assert dict(sorted(collection.queries.items())) == {"q7": "one?", "q8": "two?"}
    assert collection.qrels["q7"] == {"a7": 1}


def test_a_corpus_beside_is_mined_from_and_knows_its_own(here):
    """A positive that stands in the corpus, with the same title, is that document."""
    jsonl(here / "corpus.jsonl", [
        {"_id": "c1", "text": "A fruit."}, {"_id": "c2", "text": "Far away."},
    ])  # fmt: skip
    corpus = {"path": "corpus.jsonl", "id": "_id"}
    collection = load(jsonl(here / "pairs.jsonl", ROWS), corpus=corpus)
    assert list(collection.documents)[:2] == ["c1", "c2"] and len(collection.documents) == 4
    assert "c1" in collection.qrels[content_id("q", "what is a quince?")]
    without_ids = load(here / "pairs.jsonl", corpus={"path": "corpus.jsonl"})
    assert content_id("d", "", "Far away.") in without_ids.documents


def separated(rows, delimiter, **options):
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), delimiter=delimiter, **options)
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def as_file(folder, ending, rows):
    """The same rows in a file of that kind."""
    path = folder / f"pairs{ending}"
    data = {
        ".jsonl": lambda: "".join(json.dumps(row) + "\n" for row in rows).encode(),
        ".csv": lambda: separated(rows, ","),
        ".tsv": lambda: separated(rows, "\t", lineterminator="\n"),
    }
    kind = ending.removesuffix(".gz")
    if kind == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_bytes(gzip.compress(data[kind]()) if ending.endswith(".gz") else data[kind]())
    return path


ENDINGS = [".jsonl", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".csv.gz", ".tsv.gz"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_kind_of_file_gives_the_same_collection(here, ending):
    rows = [
        *ROWS,
        {"query": 'a "quoted" one, with commas', "positive": "two\nlines\tand a tab"},
        {"query": "line\u2028separator", "positive": "caf\u00e9 \U0001f600 \x85 end"},
    ]
    expected = load(jsonl(here / "expected.jsonl", rows))
    found = load(as_file(here, ending, rows))
    assert dict(found.documents) == dict(expected.documents)
    assert (dict(found.queries), found.qrels) == (dict(expected.queries), expected.qrels)


TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6), ending=st.sampled_from(ENDINGS[:4]))
def test_any_texts_come_back_as_they_were(here, rows, ending):
    pairs = [{"query": f"x{query}", "positive": f"x{positive}"} for query, positive in rows]
    found = load(as_file(here, ending, pairs))
    texts = {(found.queries[q], found.documents[d].text) for q, d in found.pairs()}
    assert texts == {(row["query"], row["positive"]) for row in pairs}


def test_a_file_of_a_spreadsheet_has_a_byte_order_mark_and_blank_lines(here):
    path = here / "pairs.csv"
    path.write_bytes(b'\xef\xbb\xbfquery,positive\r\n\r\none?,"first\r\nsecond"\r\n\r\n')
    (document,) = load(path).documents.values()
    assert document.text == "first\r\nsecond"


def test_pairs_without_text_are_counted_and_the_same_pair_twice_is_one(here):
    rows = [*ROWS, ROWS[0], {"query": "  ", "positive": "text"}, {"query": "what is a plum?", "positive": "\n"}]
    collection = load(jsonl(here / "x.jsonl", rows))
    assert len(collection.pairs()) == 3
    assert collection.rejected == {"no_text": 2}


# Limits and parts


@pytest.fixture(scope="module")
def hundred(tmp_path_factory):
    rows = [{"query": f"question {i}?", "positive": f"answer {i % 40}"} for i in range(100)]
    return jsonl(tmp_path_factory.mktemp("pairs") / "hundred.jsonl", rows)


def test_limits_nest_and_are_counted(hundred):
    chosen = [list(load(hundred, limit=n).queries) for n in (5, 20, 100)]
    assert chosen[0] == chosen[1][:5] and chosen[1] == chosen[2][:20]
    order = sorted(chosen[2], key=lambda query_id: hashlib.sha256(f"13:{query_id}".encode()).hexdigest())
    assert chosen[2] == order
    assert load(hundred, limit=20).rejected == {"over_limit": 80}
    assert len(load(hundred, limit=20).documents) == 40, "the corpus stays whole"
    assert list(load(hundred, seed=14, limit=5).queries) != chosen[0]


def test_parts_are_disjoint_and_together_whole(hundred):
    whole = set(load(hundred).queries)
    parts = {split: set(load(hundred, dev=0.1, test=0.2, split=split).queries) for split in ("train", "dev", "test")}
    assert set().union(*parts.values()) == whole
    assert sum(map(len, parts.values())) == len(whole)
    assert {split: len(part) for split, part in parts.items()} == {"train": 72, "dev": 7, "test": 21}


def test_held_out_parts_come_along_whole(hundred):
    source = spec(hundred, dev=0.1, test=0.2)
    collection = source.load(13, 5)
    held_out = source.held_out(collection, 13)
    assert {split: len(part.queries) for split, part in held_out.items()} == {"dev": 7, "test": 21}
    assert dict(held_out["test"].documents) == dict(collection.documents)
    assert set(source.held_out(collection, 99)["test"].queries) == set(held_out["test"].queries), "whatever the seed"
    assert spec(hundred).held_out(collection, 13) == {}
    assert list(spec(hundred, dev=0.1, test=0.2, split="dev").held_out(collection, 13)) == ["test"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    query=st.text("aA bB.,!\u00e9\u00c9", min_size=1, max_size=8).filter(lambda text: text.strip()),
    test=st.sampled_from([0.3, 0.5, 0.7]),
)
def test_queries_that_are_the_same_when_normalised_never_cross(here, query, test):
    variants = {query, query.upper(), query.lower(), f" {query} ", f"{query}?", query.replace(" ", "  ")}
    same = {text for text in variants if normalise(text) == normalise(query)}
    fillers = [{"query": f"filler {i}", "positive": "x"} for i in range(40)]
    path = jsonl(here / "x.jsonl", [*fillers, *({"query": text, "positive": "y"} for text in sorted(same))])
    parts = {split: load(path, test=test, split=split).queries.values() for split in ("train", "test")}
    assert sum(any(text in queries for text in same) for queries in parts.values()) == 1


def test_a_larger_share_contains_the_smaller(hundred):
    small, large = (set(load(hundred, test=share, split="test").queries) for share in (0.2, 0.4))
    assert small < large


# The digest


def test_the_digest_names_content_columns_and_selection(here):
    path = jsonl(here / "a.jsonl", ROWS)
    digest = load(path).digest
    (here / "elsewhere").mkdir()
    assert load(jsonl(here / "elsewhere" / "b.jsonl", ROWS)).digest == digest, "not where the file is"
    assert load(path, limit=1).digest != digest
    assert load(jsonl(here / "c.jsonl", [*ROWS, ROWS[0]])).digest != digest
    corpus = jsonl(here / "corpus.jsonl", [{"text": "x"}])
    beside = load(path, corpus={"path": str(corpus)}).digest
    moved = jsonl(here / "elsewhere" / "corpus.jsonl", [{"text": "x"}])
    assert load(path, corpus={"path": str(moved)}).digest == beside != digest
    titled = jsonl(here / "t.jsonl", [{"query": "q", "positive": "p", "a": "A", "b": "B", "id": "1"}])
    one, two = (load(titled, title=column, positive_id="id").digest for column in ("a", "b"))
    assert one != two


# What is refused

TWO = '{"query":"q","positive":"p"}\n'
BAD = {
    "broken JSON": (
        ".jsonl", TWO + '{"query":\n',
        ":2: broken JSON (Expecting value: line 1 column 10 (char 9)); mend or remove the line",
    ),
    "array": (".jsonl", TWO + "[1]\n", ":2: the line is a list, not an object; one JSON object per line"),
    "missing column": (
        ".jsonl", TWO + '{"query":"q","postive":"p"}\n',
        ":2: no 'positive' among 'query', 'postive'; name the columns in the recipe's source, or add it",
    ),
    "number": (".jsonl", TWO + '{"query":1,"positive":"p"}\n', ":2: 'query' is a number; it must be text in quotes"),
    "null": (".jsonl", '{"query":null,"positive":"p"}\n', ":1: 'query' is null; it must be text in quotes"),
    "surrogate": (
        ".jsonl", TWO + '{"query":"\\ud800","positive":"p"}\n',
        ":2: 'query' holds a lone surrogate; remove the broken \\u escape",
    ),
    "not UTF-8": (".jsonl", b'{"query":"\xff"}\n', ":1: not UTF-8 (byte 10); convert the file to UTF-8"),
    "empty": (".jsonl", "", ": no row; add some"),
    "nothing but blanks": (
        ".jsonl", '{"query":" ","positive":"p"}\n',
        ": no row has both query and text; name other columns in the recipe's source, or fill them",
    ),
    "header": (
        ".csv", "query,answer\nq,p\n",
        ":1: no 'positive' among 'query', 'answer'; name the columns in the recipe's source, or add it",
    ),
    "header twice": (
        ".csv", "query,positive,query\nq,p,q\n",
        ":1: the header names 'query' twice; give each column a name of its own",
    ),
    "too many values": (
        ".csv", "query,positive\nq,p\nq,a, b\n",
        ":3: 3 values, the header names 2; quote values that hold a separator, and leave none out",
    ),
    "too few values after a value of two lines": (
        ".csv", 'query,positive\nq,"a\nb"\nalone\n',
        ":4: 1 values, the header names 2; quote values that hold a separator, and leave none out",
    ),
    "open quotation mark": (
        ".csv", 'query,positive\nq,p\nq,"open\nand on\n',
        ":3: broken row (unexpected end of data); put values with quotation marks in quotation marks, doubled",
    ),
    "text after a quotation mark": (
        ".tsv", 'query\tpositive\nq\t"so" they say\n',
        ":2: broken row ('\t' expected after '\"'); put values with quotation marks in quotation marks, doubled",
    ),
    "header alone": (".tsv", "query\tpositive\n", ": no row; add some"),
    "nothing": (".csv", "", ": no row; add some"),
}  # fmt: skip


@pytest.mark.parametrize(("ending", "content", "what"), BAD.values(), ids=list(BAD))
def test_bad_rows_are_refused_by_file_and_line(here, ending, content, what):
    path = here / f"pairs{ending}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert refused(path) == f"pairs{ending}{what}"


def test_ids_that_stand_for_two_texts(here):
    rows = [{"query": "a", "positive": "x", "i": "1"}, {"query": "b", "positive": "y", "i": "1"}]
    path = jsonl(here / "x.jsonl", rows)
    assert refused(path, query_id="i") == (
        "x.jsonl:2: query '1' had another text before; give each query an id of its own"
    )
    assert refused(path, positive_id="i") == (
        "x.jsonl:2: document '1' had another text before; give each text an id of its own"
    )
    jsonl(path, [{"query": "a", "positive": "x", "i": "a\tb"}])
    assert refused(path, query_id="i").startswith(r"x.jsonl:1: id 'a\tb' is empty or holds a tab or line break")


def test_parquet_is_refused_by_column_and_row(here):
    path = here / "x.parquet"
    pq.write_table(pa.table({"query": ["a", None], "positive": ["x", "y"]}), path)
    assert refused(path) == "x.parquet:2: 'query' is null; it must be text in quotes"
    pq.write_table(pa.table({"query": [1], "positive": ["x"]}), path)
    assert refused(path) == "x.parquet: 'query' is int64; it must be text, so cast it to string"
    pq.write_table(pa.table({"question": ["a"], "positive": ["x"]}), path)
    assert refused(path) == (
        "x.parquet: no 'query' among 'question', 'positive'; name the columns in the recipe's source, or add it"
    )
    path.write_bytes(path.read_bytes()[:-9])
    assert refused(path).startswith("x.parquet: broken Parquet (")


@pytest.mark.parametrize("name", ["pairs.txt", "pairs", "pairs.parquet.gz", "pairs.json"])
def test_other_endings_are_not_guessed(here, name):
    (here / name).write_text(TWO)
    assert refused(here / name) == (
        f"{name}: a file of this ending is not read; name one that ends in .jsonl, .csv, .tsv (each also .gz) "
        "or .parquet"
    )


def test_a_folder_and_a_broken_gzip(here):
    (here / "folder.jsonl").mkdir()
    assert refused(here / "folder.jsonl").startswith("folder.jsonl: not a file; name one that ends in .jsonl")
    (here / "x.csv.gz").write_bytes(gzip.compress(b"query,positive\nq,p\n" * 99)[:-20])
    assert refused(here / "x.csv.gz").startswith("x.csv.gz: broken gzip (")


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"dev": 0.6, "test": 0.4}, "dev and test take all queries; make them smaller"),
        ({"positive": "query"}, "query and positive are one column, query; name two"),
        ({"split": "dev"}, "there is no dev: set source.dev to a share such as 0.1"),
        ({"split": "test", "dev": 0.1}, "there is no test: set source.test to a share such as 0.1"),
    ],
)
def test_a_part_that_cannot_be(here, fields, what):
    with pytest.raises(ValidationError, match=what):
        spec(jsonl(here / "x.jsonl", ROWS), **fields)


def test_a_share_too_small_for_any_query_says_so(here):
    source = spec(jsonl(here / "x.jsonl", ROWS), dev=1e-9)
    with pytest.raises(InputError, match=r"x\.jsonl: no query with text is in split 'dev'; make its share larger"):
        source.held_out(source.load(13), 13)


def test_real_pairs_from_scifact(here):
    """The judgements of a BEIR folder as a file of pairs give the same queries, pairs and corpus."""
    from syneg_data.sources import Beir

    folder = Path(__file__).parents[2] / "recipes" / "data" / "scifact"
    beir = Beir(kind="beir", path=str(folder), split="test", license="cc-by-4.0").load(13)
    rows = [
        {"query": beir.queries[q], "positive": d.text, "title": d.title, "qid": q, "did": d.doc_id}
        for q, doc_id in beir.pairs()
        for d in (beir.documents[doc_id],)
    ]
    names = {"title": "title", "query_id": "qid", "positive_id": "did"}
    corpus = jsonl(here / "corpus.jsonl", [
        {"i": d.doc_id, "text": d.text, "title": d.title} for d in beir.documents.values()
    ])  # fmt: skip
    beside = {"path": str(corpus), "id": "i", "title": "title"}
    pairs = load(jsonl(here / "x.jsonl", rows), **names, corpus=beside)
    assert (list(pairs.queries.items()), pairs.qrels) == (list(beir.queries.items()), {
        q: {d: 1 for d in grades} for q, grades in beir.qrels.items()
    })  # fmt: skip
    assert dict(pairs.documents) == dict(beir.documents)
