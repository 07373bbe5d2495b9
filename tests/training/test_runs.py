"""TREC run files: written to the last digit, read strictly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.errors import InputError
from syneg_data.training.runs import is_ranked, read_run, write_run

WORDS = st.text("aZ0é#-", min_size=1, max_size=4)
SCORES = st.floats(allow_nan=False, allow_infinity=False)
RUNS = st.dictionaries(
    WORDS,
    st.dictionaries(WORDS, SCORES, min_size=1, max_size=8).map(
        lambda scores: sorted(scores.items(), key=lambda row: (-row[1], row[0]))
    ),
    min_size=1,
    max_size=4,
)


def test_the_lines_of_a_run(tmp_path):
    path = tmp_path / "runs" / "a.trec"
    write_run(path, {"q2": [("d1", 12.5), ("d10", 0.1), ("d2", 0.1)], "q1": [("d3", -1e-17)]}, "bm25")
    assert path.read_text() == (
        "q2 Q0 d1 1 12.5 bm25\nq2 Q0 d10 2 0.1 bm25\nq2 Q0 d2 3 0.1 bm25\nq1 Q0 d3 1 -1e-17 bm25\n"
    )
    assert [p.name for p in path.parent.iterdir()] == ["a.trec"]


@given(RUNS)
def test_a_run_comes_back_as_it_was(tmp_path_factory, run):
    path = tmp_path_factory.mktemp("runs") / "run"
    write_run(path, run, "tag")
    back = read_run(path)
    assert back == run
    assert list(back) == list(run)


def test_the_score_orders_a_run_whatever_its_ranks_and_lines_say(tmp_path):
    path = tmp_path / "run"
    path.write_bytes(b"q2 Q0 b 1 1.0 t\r\nq1\tQ0\tb\t0\t2e1\tt\n\nq2 Q0 a 2 1.0 t\nq2 Q0 c 3 7 t")
    assert read_run(path) == {"q2": [("c", 7.0), ("a", 1.0), ("b", 1.0)], "q1": [("b", 20.0)]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q Q0 d 2 1.0", ":2: 5 fields, not 6; write query_id Q0 doc_id rank score tag"),
        ("q Q0 d 2 1.0 t x", ":2: 7 fields, not 6; write query_id Q0 doc_id rank score tag"),
        ("q 0 d 2 1.0 t", ":2: the second field is '0', not Q0; write query_id Q0 doc_id rank score tag"),
        ("q Q0 d one 1.0 t", ":2: rank 'one' is not a whole number; ranks count from 1"),
        ("q Q0 d -1 1.0 t", ":2: rank '-1' is not a whole number; ranks count from 1"),
        ("q Q0 d 2 nan t", ":2: score 'nan' is not a finite number; write it in digits, such as 12.5"),
        ("q Q0 d 2 1e999 t", ":2: score '1e999' is not a finite number; write it in digits, such as 12.5"),
        ("q Q0 d 2 1_0 t", ":2: score '1_0' is not a finite number; write it in digits, such as 12.5"),
        ("q Q0 d 2 high t", ":2: score 'high' is not a finite number; write it in digits, such as 12.5"),
        ("q Q0 a 2 0.5 t", ":2: document 'a' of query 'q' again, first in line 1; keep one of the two lines"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, message):
    path = tmp_path / "run"
    path.write_text(f"q Q0 a 1 1.0 t\n{line}\n")
    with pytest.raises(InputError) as error:
        read_run(path)
    assert str(error.value) == f"{path}{message}"


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "run"
    path.write_bytes(b"q Q0 a 1 1.0 t\nq Q0 \xff 2 0.5 t\n")
    with pytest.raises(InputError, match=r"run:2: not UTF-8 \(byte 5\); convert the file to UTF-8"):
        read_run(path)
    path.write_bytes(b"\n")
    with pytest.raises(InputError, match="the run is empty; write it again"):
        read_run(path)
    with pytest.raises(InputError, match="none: No such file or directory; name a readable TREC run file"):
        read_run(tmp_path / "none")


@pytest.mark.parametrize("word", ["", "two words", "tab\tbed", "line\n", "wide\u00a0space"])
def test_what_the_format_cannot_say_is_not_written(tmp_path, word):
    path = tmp_path / "run"
    with pytest.raises(InputError, match=r"document id .* white space.*; rename it in the corpus"):
        write_run(path, {"q": [(word, 1.0)]}, "tag")
    with pytest.raises(InputError, match=r"query id .* white space.*; rename it in the queries"):
        write_run(path, {word: []}, "tag")
    with pytest.raises(InputError, match=r"tag .* white space.*; name the run in one word"):
        write_run(path, {}, word)
    assert not path.exists()


@pytest.mark.parametrize(
    "ranking",
    [
        [("a", 1.0), ("b", 2.0)],
        [("b", 1.0), ("a", 1.0)],
        [("a", 1.0), ("a", 1.0)],
        [("a", float("inf"))],
        [("a", float("nan"))],
    ],
)
def test_a_ranking_out_of_order_is_not_written(tmp_path, ranking):
    with pytest.raises(ValueError, match="query 'q'"):
        write_run(tmp_path / "run", {"q": ranking}, "tag")


def test_what_is_ranked():
    assert is_ranked([])
    assert is_ranked([("b", 2.0), ("a", 1.0), ("c", 1.0)])
    assert not is_ranked([("c", 1.0), ("a", 1.0)])
