"""The BEIR reader: every hostile line ends in file:line: what; what to do, or is read as documented."""

import gzip
import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syneg_data.collection import Document
from syneg_data.errors import InputError
from syneg_data.sources import Beir

SCIFACT = Path(__file__).parents[2] / "recipes" / "data" / "scifact"

CORPUS = '{"_id":"d1","title":"T","text":"one"}\n{"_id":"d2","text":"two"}\n'
QUERIES = '{"_id":"q1","text":"what"}\n'
HEADER = "query-id\tcorpus-id\tscore\n"
QRELS = HEADER + "q1\td1\t1\n"


def write(folder, corpus=CORPUS, queries=QUERIES, qrels=QRELS, split="train"):
    for name, content in (("corpus.jsonl", corpus), ("queries.jsonl", queries), (f"qrels/{split}.tsv", qrels)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def load(folder, seed=13, limit=None, **spec):
    spec = {"kind": "beir", "split": "train", "license": "mit"} | spec
    return Beir(path=str(folder.resolve()), **spec).load(seed, limit)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder `data` below the current one, so that messages show `data/...`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def refused(folder, **spec):
    with pytest.raises(InputError) as caught:
        load(folder, **spec)
    assert caught.value.exit_code == 2
    return str(caught.value)


BROKEN = "; mend or remove the line"
OBJECT = "; one JSON object per line"
QUOTES = "; it must be text in quotes"
FIELDS = "; every line needs '_id' and 'text'"
ID = " is empty or holds a tab or line break; choose another id"

# Each stands in line 2 of the corpus, below a good line.
BAD_LINES = {
    "truncated": (
        '{"_id":"d2","text":"tw',
        "broken JSON (Unterminated string starting at: line 1 column 20 (char 19))" + BROKEN,
    ),
    "trailing comma": (
        '{"_id":"d2","text":"two",}',
        "broken JSON (Expecting property name enclosed in double quotes: line 1 column 26 (char 25))" + BROKEN,
    ),
    "single quotes": (
        "{'_id':'d2'}",
        "broken JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))" + BROKEN,
    ),
    "two objects": (
        '{"_id":"d2","text":"two"}{"_id":"d3","text":"x"}',
        "broken JSON (Extra data: line 1 column 26 (char 25))" + BROKEN,
    ),
    "array": ('["d2"]', "the line is a list, not an object" + OBJECT),
    "number": ("3", "the line is a number, not an object" + OBJECT),
    "string": ('"x"', "the line is text, not an object" + OBJECT),
    "null": ("null", "the line is null, not an object" + OBJECT),
    "boolean": ("true", "the line is a boolean, not an object" + OBJECT),
    "NaN": ('{"_id":"d2","text":"two","w":NaN}', "broken JSON (NaN is not JSON)" + BROKEN),
    "infinity": ('{"_id":"d2","text":"two","w":-Infinity}', "broken JSON (-Infinity is not JSON)" + BROKEN),
    "duplicate key": ('{"_id":"d2","text":"two","text":"x"}', "broken JSON (a key appears twice)" + BROKEN),
    "duplicate key within": ('{"_id":"d2","text":"x","m":{"a":1,"a":2}}', "broken JSON (a key appears twice)" + BROKEN),
    "comment": ("# hello", "broken JSON (Expecting value: line 1 column 1 (char 0))" + BROKEN),
    "nesting 200k": (
        '{"_id":"d2","text":"x","m":' + "[" * 200_000 + "]" * 200_000 + "}",
        "JSON nested too deeply; a line is one flat object",
    ),
    "raw NUL": (
        '{"_id":"d\0","text":"x"}',
        "broken JSON (Invalid control character at: line 1 column 10 (char 9))" + BROKEN,
    ),
    "NUL in id": ('{"_id":"d\\u0000","text":"x"}', r"id 'd\x00'" + ID),
    "tab in id": ('{"_id":"a\\tb","text":"x"}', r"id 'a\tb'" + ID),
    "newline in id": ('{"_id":"a\\nb","text":"x"}', r"id 'a\nb'" + ID),
    "return in id": ('{"_id":"a\\rb","text":"x"}', r"id 'a\rb'" + ID),
    "empty id": ('{"_id":"","text":"x"}', "id ''" + ID),
    "surrogate in text": (
        '{"_id":"d2","text":"\\ud800"}',
        "'text' holds a lone surrogate; remove the broken \\u escape",
    ),
    "surrogate in id": ('{"_id":"\\udfff","text":"x"}', "'_id' holds a lone surrogate; remove the broken \\u escape"),
    "surrogate in title": (
        '{"_id":"d2","text":"","title":"\\ud800"}',
        "'title' holds a lone surrogate; remove the broken \\u escape",
    ),
    "missing id": ('{"text":"x"}', "no '_id'" + FIELDS),
    "missing text": ('{"_id":"d2"}', "no 'text'" + FIELDS),
    "null text": ('{"_id":"d2","text":null}', "'text' is null" + QUOTES),
    "list text": ('{"_id":"d2","text":["x"]}', "'text' is a list" + QUOTES),
    "number text": ('{"_id":"d2","text":3}', "'text' is a number" + QUOTES),
    "object text": ('{"_id":"d2","text":{}}', "'text' is an object" + QUOTES),
    "boolean text": ('{"_id":"d2","text":true}', "'text' is a boolean" + QUOTES),
    "int id": ('{"_id":1,"text":"x"}', "'_id' is a number" + QUOTES),
    "null id": ('{"_id":null,"text":"x"}', "'_id' is null" + QUOTES),
    "null title": ('{"_id":"d2","text":"x","title":null}', "'title' is null" + QUOTES),
    "duplicate id, same text": ('{"_id":"d1","text":"one"}', "duplicate id 'd1', first in line 1; ids must be unique"),
    "duplicate id, other text": ('{"_id":"d1","text":"two"}', "duplicate id 'd1', first in line 1; ids must be unique"),
    "BOM in line 2": (
        '\ufeff{"_id":"d2","text":"x"}',
        "broken JSON (Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0))" + BROKEN,
    ),
}


@pytest.mark.parametrize(("line", "what"), BAD_LINES.values(), ids=list(BAD_LINES))
def test_a_bad_corpus_line_is_refused_by_file_and_line(here, line, what):
    write(here, corpus='{"_id":"d1","text":"one"}\n' + line + "\n")
    assert refused(here) == f"data/corpus.jsonl:2: {what}"


def test_a_number_of_5000_digits_is_refused(here):
    write(here, corpus='{"_id":"d1","text":"one"}\n{"_id":"d2","text":"x","m":' + "1" * 5000 + "}\n")
    message = refused(here)
    assert message.startswith("data/corpus.jsonl:2: broken JSON (Exceeds the limit (4300 digits)")
    assert message.endswith("; mend or remove the line")


def test_a_bad_query_line_is_refused_by_file_and_line(here):
    write(here, queries='\n{"_id":"q1","text":"what"}\n{"_id":"q1","text":"why"}\n')
    assert refused(here) == "data/queries.jsonl:3: duplicate id 'q1', first in line 2; ids must be unique"


BAD_BYTES = {
    "UTF-16": ('{"_id":"d1","text":"one"}\n'.encode("utf-16"), "1: not UTF-8 (byte 0); convert the file to UTF-8"),
    "UTF-16LE": (
        '{"_id":"d1","text":"one"}\n'.encode("utf-16-le"),
        "1: broken JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))" + BROKEN,
    ),
    "latin-1": (
        b'{"_id":"d1","text":"one"}\n{"_id":"d2","text":"caf\xe9"}\n',
        "2: not UTF-8 (byte 23); convert the file to UTF-8",
    ),
    "surrogate bytes": (b'{"_id":"d1","text":"\xed\xa0\x80"}\n', "1: not UTF-8 (byte 20); convert the file to UTF-8"),
    "gzip without its name": (gzip.compress(CORPUS.encode()), "1: not UTF-8 (byte 1); convert the file to UTF-8"),
    "CR only": (
        b'{"_id":"d1","text":"one"}\r{"_id":"d2","text":"two"}\r',
        "1: broken JSON (Extra data: line 1 column 27 (char 26)); mend or remove the line",
    ),
}


@pytest.mark.parametrize(("data", "what"), BAD_BYTES.values(), ids=list(BAD_BYTES))
def test_bytes_that_are_not_utf8_lines_are_refused(here, data, what):
    write(here, corpus=data)
    assert refused(here) == f"data/corpus.jsonl:{what}"


ONE, TWO = Document("d1", "one"), Document("d2", "two")
GOOD_CORPORA = {
    "blank lines": ('\n{"_id":"d1","text":"one"}\n\n   \n{"_id":"d2","text":"two"}\n\n', [ONE, TWO]),
    "BOM": ('\ufeff{"_id":"d1","text":"one"}\n', [ONE]),
    "CRLF": ('{"_id":"d1","text":"one"}\r\n{"_id":"d2","text":"two"}\r\n', [ONE, TWO]),
    "no final newline": ('{"_id":"d1","text":"one"}\n{"_id":"d2","text":"two"}', [ONE, TWO]),
    "U+2028 and U+0085": ('{"_id":"d1","text":"a\u2028b\u0085c\u2029d"}\n', [Document("d1", "a\u2028b\u0085c\u2029d")]),
    "surrogate pair": ('{"_id":"d1","text":"\\ud83d\\ude00"}\n', [Document("d1", "\U0001f600")]),
    "title only": ('{"_id":"d1","title":"T","text":""}\n', [Document("d1", "", "T")]),
    "empty text beside": ('{"_id":"d1","text":"one"}\n{"_id":"d2","text":""}\n', [ONE, Document("d2", "")]),
    "ids that look like values": (
        '{"_id":"d1","text":"one"}\n{"_id":"NULL","text":"a"}\n{"_id":"nan","text":"b"}\n{"_id":"007","text":"c"}\n',
        [ONE, Document("NULL", "a"), Document("nan", "b"), Document("007", "c")],
    ),
    "ids equal after NFC": (
        '{"_id":"d1","text":"one"}\n{"_id":"\u00e9","text":"a"}\n{"_id":"e\u0301","text":"b"}\n',
        [ONE, Document("\u00e9", "a"), Document("e\u0301", "b")],
    ),
    "further fields": ('{"_id":"d1","text":"one","metadata":{"a":[1,null,1.5]}}\n', [ONE]),
    "10 MB line": ('{"_id":"d1","text":"' + "x" * 10_000_000 + '"}\n', [Document("d1", "x" * 10_000_000)]),
    "identical documents": ('{"_id":"d1","text":"one"}\n{"_id":"d2","text":"one"}\n', [ONE, Document("d2", "one")]),
}


@pytest.mark.parametrize(("corpus", "documents"), GOOD_CORPORA.values(), ids=list(GOOD_CORPORA))
def test_unusual_but_sound_corpora_are_read_whole(here, corpus, documents):
    write(here, corpus=corpus)
    assert list(load(here).documents.values()) == documents


BAD_QRELS = {
    "no header": (
        "q1\td1\t1\n",
        r":1: header is 'q1\td1\t1'; the first line must be query-id, corpus-id, score with tabs",
    ),
    "blank first line": ("\n" + QRELS, ":1: header is ''; the first line must be query-id, corpus-id, score with tabs"),
    "CR only": (
        QRELS.replace("\n", "\r"),
        r":1: header is 'query-id\tcorpus-id\tscore\rq1\td1\t1'; "
        "the first line must be query-id, corpus-id, score with tabs",
    ),
    "TREC's four columns": (
        HEADER + "q1\t0\td1\t1\n",
        ":2: 4 fields, not 3; write query-id, corpus-id, score separated by tabs",
    ),
    "two columns": (HEADER + "q1\td1\n", ":2: 2 fields, not 3; write query-id, corpus-id, score separated by tabs"),
    "spaces": (HEADER + "q1 d1 1\n", ":2: 1 fields, not 3; write query-id, corpus-id, score separated by tabs"),
    "score 0.5": (
        HEADER + "q1\td1\t0.5\n",
        ":2: score '0.5' is not a whole number; grades are whole numbers; above 0 is relevant",
    ),
    "score nan": (
        HEADER + "q1\td1\tnan\n",
        ":2: score 'nan' is not a whole number; grades are whole numbers; above 0 is relevant",
    ),
    "score inf": (
        HEADER + "q1\td1\tinf\n",
        ":2: score 'inf' is not a whole number; grades are whole numbers; above 0 is relevant",
    ),
    "score 1e300": (
        HEADER + "q1\td1\t1e300\n",
        ":2: score '1e300' is not a whole number; grades are whole numbers; above 0 is relevant",
    ),
    "score 1_0": (
        HEADER + "q1\td1\t1_0\n",
        ":2: score '1_0' is not a whole number; grades are whole numbers; above 0 is relevant",
    ),
    "score word": (
        HEADER + "q1\td1\tyes\n",
        ":2: score 'yes' is not a whole number; grades are whole numbers; above 0 is relevant",
    ),
    "score empty": (
        HEADER + "q1\td1\t\n",
        ":2: score '' is not a whole number; grades are whole numbers; above 0 is relevant",
    ),
    "conflicting pair": (HEADER + "q1\td1\t1\n\nq1\td1\t2\n", ":4: 'q1', 'd1' was 1 before; keep one of the two lines"),
    "missing document": (
        HEADER + "q1\td9\t1\n",
        ":2: document 'd9' is not in the corpus; add the document or remove the line",
    ),
    "missing query": (
        HEADER + "q9\td1\t1\n",
        ":2: query 'q9' is not in the queries file; add the query or remove the line",
    ),
    "header only": (HEADER, ": no query has a relevant document (a score above 0) with text"),
    "empty file": ("", ": no query has a relevant document (a score above 0) with text"),
    "zero only": (HEADER + "q1\td1\t0\n", ": no query has a relevant document (a score above 0) with text"),
    "negative only": (HEADER + "q1\td1\t-1\n", ": no query has a relevant document (a score above 0) with text"),
}


@pytest.mark.parametrize(("qrels", "what"), BAD_QRELS.values(), ids=list(BAD_QRELS))
def test_bad_judgements_are_refused_by_file_and_line(here, qrels, what):
    write(here, qrels=qrels)
    assert refused(here) == f"data/qrels/train.tsv{what}"


GOOD_QRELS = {
    "1.0 is 1": (HEADER + "q1\td1\t1.0\n", {"d1": 1}),
    "0 and negative are not relevant": (HEADER + "q1\td1\t2\nq1\td2\t0\n", {"d1": 2, "d2": 0}),
    "negative": (HEADER + "q1\td1\t1\nq1\td2\t-1\n", {"d1": 1, "d2": -1}),
    "identical pair twice": (HEADER + "q1\td1\t1\nq1\td1\t1\n", {"d1": 1}),
    "blank lines": (HEADER + "\nq1\td1\t1\n\n", {"d1": 1}),
    "CRLF and BOM": ("\ufeff" + QRELS.replace("\n", "\r\n"), {"d1": 1}),
    "header in capitals": ("Query-ID\tCorpus-ID\tScore\nq1\td1\t1\n", {"d1": 1}),
}


@pytest.mark.parametrize(("qrels", "grades"), GOOD_QRELS.values(), ids=list(GOOD_QRELS))
def test_unusual_but_sound_judgements(here, qrels, grades):
    write(here, qrels=qrels)
    collection = load(here)
    assert collection.qrels == {"q1": grades}
    assert collection.positives("q1") == ["d1"]


def test_an_empty_corpus_is_refused(here):
    write(here, corpus=b"")
    assert refused(here) == "data/corpus.jsonl: the corpus is empty; it needs one JSON object per line"


@pytest.mark.parametrize(
    ("corpus", "queries"),
    [
        ('{"_id":"d1","text":" \\n"}\n{"_id":"d2","text":"two"}\n', QUERIES),
        (CORPUS, '{"_id":"q1","text":"  "}\n{"_id":"q2","text":"why"}\n'),
    ],
    ids=["positive without text", "query without text"],
)
def test_pairs_without_text_are_counted_not_lost(here, corpus, queries):
    queries += "" if "q2" in queries else '{"_id":"q2","text":"why"}\n'
    write(here, corpus=corpus, queries=queries, qrels=QRELS + "q2\td2\t1\n")
    collection = load(here)
    assert collection.pairs() == [("q2", "d2")]
    assert collection.rejected == {"no_text": 1}


def test_a_query_whose_documents_are_all_positive_is_kept(here):
    write(here, qrels=HEADER + "q1\td1\t1\nq1\td2\t2\n")
    assert load(here).pairs() == [("q1", "d2"), ("q1", "d1")]


def test_queries_without_judgements_are_not_of_the_split(here):
    write(here, queries=QUERIES + '{"_id":"q2","text":"why"}\n')
    assert list(load(here).queries) == ["q1"]


# Files


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_gzipped_files_are_read(here, name):
    path = write(here) / name
    (here / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert load(here).text("d1") == "T one"


@pytest.mark.parametrize("keep", [1, 10, 30, -9, -1])
def test_truncated_gzip_is_refused(here, keep):
    (write(here) / "corpus.jsonl").unlink()
    (here / "corpus.jsonl.gz").write_bytes(gzip.compress(CORPUS.encode())[:keep])
    message = refused(here)
    assert message.startswith("data/corpus.jsonl.gz: broken gzip (")
    assert message.endswith("; fetch or compress the file again")


def test_gzip_truncated_at_every_byte_never_passes(here):
    (write(here) / "corpus.jsonl").unlink()
    whole = gzip.compress(CORPUS.encode())
    for keep in range(len(whole)):
        (here / "corpus.jsonl.gz").write_bytes(whole[:keep])
        with pytest.raises(InputError, match=r"broken gzip|the corpus is empty"):
            load(here)


@pytest.mark.parametrize(
    ("at", "what"),
    [
        (-8, "broken gzip (CRC check failed"),
        (-1, "broken gzip (Incorrect length of data produced)"),
        (0, "broken gzip (Not a gzipped file"),
        (10, "broken gzip (Error -3 while decompressing data"),
    ],
)
def test_damaged_gzip_is_refused(here, at, what):
    (write(here) / "corpus.jsonl").unlink()
    data = bytearray(gzip.compress(CORPUS.encode()))
    data[at] ^= 0xFF
    (here / "corpus.jsonl.gz").write_bytes(data)
    assert refused(here).startswith(f"data/corpus.jsonl.gz: {what}")


def test_a_folder_or_pipe_in_place_of_a_file_is_refused(here):
    (write(here) / "corpus.jsonl").unlink()
    (here / "corpus.jsonl").mkdir()
    expected = "data: no corpus.jsonl or corpus.jsonl.gz; the BEIR layout needs it"
    assert refused(here) == expected
    (here / "corpus.jsonl").rmdir()
    os.mkfifo(here / "corpus.jsonl")
    assert refused(here) == expected


def test_missing_files_are_named(here):
    (write(here) / "queries.jsonl").unlink()
    assert refused(here) == "data: no queries.jsonl or queries.jsonl.gz; the BEIR layout needs it"


def test_a_missing_split_lists_those_that_are_there(here):
    write(here)
    write(here, split="test")
    assert refused(here, split="val") == "data/qrels/val.tsv: no such file; splits there: test, train"


def test_missing_judgements_folder(here):
    (write(here) / "qrels" / "train.tsv").unlink()
    assert refused(here) == "data/qrels/train.tsv: no such file; splits there: none"


def test_a_path_outside_the_current_folder_is_shown_whole(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    write(tmp_path / "data", corpus="3\n")
    assert refused(tmp_path / "data").startswith(f"{tmp_path}/data/corpus.jsonl:1: the line is a number")


@pytest.mark.parametrize("split", ["../train", "a/b", "", ".", "a..b", "train\n"])
def test_a_split_is_a_word_not_a_path(tmp_path, split):
    with pytest.raises(ValueError, match="String should match pattern"):
        Beir(kind="beir", path=str(tmp_path), split=split, license="mit")


# Order, limit and digest


def many(folder, n=30):
    queries = "".join(json.dumps({"_id": f"q{i}", "text": f"question {i}"}) + "\n" for i in range(n))
    qrels = HEADER + "".join(f"q{i}\td1\t1\n" for i in range(n))
    return write(folder, queries=queries, qrels=qrels)


def test_working_order_is_sha256_of_seed_and_id(here):
    many(here, 12)
    expected = sorted((f"q{i}" for i in range(12)), key=lambda q: hashlib.sha256(f"13:{q}".encode()).hexdigest())
    assert list(load(here).queries) == expected
    assert expected[:3] == ["q5", "q1", "q4"]
    assert list(load(here, seed=14).queries) != expected


@pytest.fixture(scope="module")
def thirty(tmp_path_factory):
    return many(tmp_path_factory.mktemp("thirty"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 5), limits=st.tuples(st.integers(1, 35), st.integers(1, 35)))
def test_limits_nest(thirty, seed, limits):
    small, large = sorted(limits)
    fewer, more = load(thirty, seed, small), load(thirty, seed, large)
    assert list(fewer.queries) == list(more.queries)[: len(fewer.queries)]
    assert len(fewer.queries) == min(small, 30)
    assert fewer.rejected.get("over_limit", 0) == 30 - min(small, 30)


def test_the_limit_counts_the_pairs_it_leaves_out(here):
    write(here, queries=QUERIES + '{"_id":"q2","text":"why"}\n', qrels=QRELS + "q2\td1\t1\nq2\td2\t1\n")
    assert list(load(here).queries) == ["q1", "q2"]
    assert load(here, limit=1).rejected == {"over_limit": 2}
    assert load(here, limit=2).rejected == {}


def test_the_order_of_lines_does_not_change_the_working_order(here):
    many(here, 20)
    before = load(here)
    lines = (here / "queries.jsonl").read_text().splitlines()
    (here / "queries.jsonl").write_text("\n".join(reversed(lines)) + "\n")
    assert list(load(here).queries) == list(before.queries)


@pytest.mark.parametrize("changed", ["corpus", "queries", "qrels", "seed", "limit"])
def test_the_digest_names_files_and_selection(here, changed):
    many(here, 5)
    before = load(here).digest
    assert load(here).digest == before
    if changed == "corpus":
        with (here / "corpus.jsonl").open("a") as handle:
            handle.write('{"_id":"d3","text":"three"}\n')
    if changed == "queries":
        with (here / "queries.jsonl").open("a") as handle:
            handle.write('{"_id":"q99","text":"not judged"}\n')
    if changed == "qrels":
        with (here / "qrels" / "train.tsv").open("a") as handle:
            handle.write("\n")  # the same judgements in another file
    after = load(here, seed=14 if changed == "seed" else 13, limit=3 if changed == "limit" else None)
    assert after.digest != before


# The dev cut and the collection that ships


def test_scifact_as_shipped():
    train, test = load(SCIFACT), load(SCIFACT, split="test")
    assert (len(train.documents), len(train.queries), len(train.pairs())) == (5183, 809, 919)
    assert (len(test.documents), len(test.queries), len(test.pairs())) == (5183, 300, 339)
    assert train.rejected == test.rejected == {}
    assert not set(train.queries) & set(test.queries)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_train_and_dev_are_disjoint_and_together_whole(here, share):
    many(here, 200)
    train, dev = load(here, dev=share), load(here, dev=share, split="dev")
    assert set(train.queries) | set(dev.queries) == {f"q{i}" for i in range(200)}
    assert not set(train.queries) & set(dev.queries)
    assert len(dev.queries) == {0.1: 24, 0.5: 88}[share]


def test_the_dev_cut_does_not_depend_on_the_seed(here):
    many(here, 200)
    assert set(load(here, 1, dev=0.1, split="dev").queries) == set(load(here, 2, dev=0.1, split="dev").queries)


def test_a_larger_share_contains_the_smaller(here):
    many(here, 200)
    assert set(load(here, dev=0.1, split="dev").queries) < set(load(here, dev=0.2, split="dev").queries)


def test_a_tenth_of_scifact_is_70_queries():
    train, dev = load(SCIFACT, dev=0.1), load(SCIFACT, dev=0.1, split="dev")
    assert len(train.queries) + len(dev.queries) == 809
    assert len(train.pairs()) + len(dev.pairs()) == 919
    assert len(dev.queries) == 70


def test_the_share_of_dev_leaves_test_alone(here):
    write(here)
    write(here, split="test")
    assert list(load(here, dev=0.9, split="test").queries) == ["q1"]


def test_a_dev_file_is_used_when_there_is_one(here):
    many(here, 5)
    (here / "qrels" / "dev.tsv").write_text(HEADER + "q3\td2\t1\n")
    assert load(here, split="dev").pairs() == [("q3", "d2")]


@pytest.mark.parametrize("split", ["train", "dev"])
def test_a_dev_file_and_a_dev_share_are_one_too_many(here, split):
    write(here)
    write(here, split="dev")
    expected = "data/qrels/dev.tsv exists; remove source.dev, which would cut another"
    assert refused(here, split=split, dev=0.1) == expected


def test_dev_without_a_file_and_without_a_share(here):
    write(here)
    expected = "data/qrels/dev.tsv: no such file; set source.dev (such as 0.1) to cut dev from train"
    assert refused(here, split="dev") == expected


TEST = HEADER + "q2\td2\t2\nq2\td1\t0\n"
TWO_QUERIES = QUERIES + '{"_id":"q2","text":"which"}\n'


def held_out(folder, **spec):
    source = Beir(kind="beir", path=str(folder.resolve()), license="mit", **({"split": "train"} | spec))
    return source.held_out(source.load(13), 13)


def test_dev_and_test_come_along_where_there_are_any(here):
    write(here, queries=TWO_QUERIES)
    assert held_out(here) == {}
    write(here, queries=TWO_QUERIES, qrels=TEST, split="test")
    (name,) = held_out(here)
    assert (name, held_out(here)["test"].qrels) == ("test", {"q2": {"d2": 2, "d1": 0}})
    write(here, queries=TWO_QUERIES, qrels=TEST, split="dev")
    assert list(held_out(here)) == ["dev", "test"]


def test_the_split_to_build_on_is_not_evaluated_on(here):
    write(here, queries=TWO_QUERIES)
    write(here, queries=TWO_QUERIES, qrels=TEST, split="test")
    assert list(held_out(here, split="test")) == []
    with pytest.raises(InputError, match=r"source\.evaluation: 'train' is the split to build on; name others"):
        held_out(here, evaluation=("train",))


def test_named_splits_must_be_there(here):
    write(here, queries=TWO_QUERIES)
    write(here, queries=TWO_QUERIES, qrels=TEST, split="extra")
    assert list(held_out(here, evaluation=("extra",))) == ["extra"]
    with pytest.raises(InputError, match=r"qrels/test\.tsv: no such file; splits there: extra, train"):
        held_out(here, evaluation=("test",))


def test_a_dev_that_is_cut_from_train_shares_no_query_with_it(tmp_path):
    source = Beir(kind="beir", path=str(SCIFACT), split="train", dev=0.1, license="mit")
    train = source.load(13, limit=5)
    parts = source.held_out(train, 13)
    assert list(parts) == ["dev", "test"]
    assert (len(parts["dev"].queries), len(parts["test"].queries)) == (70, 300)  # whole, whatever the limit
    everything = source.load(13)
    assert not set(parts["dev"].queries) & set(everything.queries)
    assert not set(parts["test"].queries) & set(everything.queries)
    assert parts["dev"].documents is train.documents
