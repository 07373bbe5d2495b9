"""Sources on the Hub: every layout gives what the folder on disk gives, at one commit; no code of it is run."""

import os
from pathlib import Path

import huggingface_hub.constants
import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from syneg_data.errors import InputError, UnavailableError
from syneg_data.publishing.manifest import read_manifest
from syneg_data.recipe import load_recipe
from syneg_data.sources import Beir, Hub, HubPairs, Pairs, Source
from tests.conftest import small_recipe
from tests.loopback import reach
from tests.sources import layouts

REAL = Path(os.environ.get("SYNEG_TEST_COLLECTION", ""))
LICENSE = "cc-by-4.0"


@pytest.fixture
def here(hub, monkeypatch, tmp_path):
    """This process, without a token, and its Hub."""
    reach(hub, monkeypatch, tmp_path)
    return hub


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """What the folder on disk gives, and its splits to evaluate on."""
    folder = layouts.folder(tmp_path_factory.mktemp("local") / "scifact")
    source = Beir(path=str(folder), split="train", dev=0.1, license=LICENSE)
    collection = source.load(13, 40)
    return collection, source.held_out(collection, 13)


def put(hub, repo, files):
    return hub.put(f"datasets/{repo}", "dataset", files, private=False)


def small(hub, repo="a/b", **changes):
    """A small MTEB-style data set, with some files changed, or gone where they are None."""
    files = {
        "corpus.jsonl": b'{"_id":"d1","title":"T","text":"one"}\n{"_id":"d2","text":"two"}\n',
        "queries.jsonl": b'{"_id":"q1","text":"what"}\n{"_id":"q2","text":"who"}\n',
        "qrels/train.jsonl": b'{"query-id":"q1","corpus-id":"d1","score":1}\n',
        "qrels/test.jsonl": b'{"query-id":"q2","corpus-id":"d2","score":1.0}\n',
    } | changes.pop("files", {})
    commit = put(hub, repo, {name: data for name, data in files.items() if data is not None})
    return Hub(**{"id": repo, "revision": "main", "license": "mit"} | changes), commit


def same(found, expected):
    assert found.documents == expected.documents
    assert list(found.queries.items()) == list(expected.queries.items())
    assert found.qrels == expected.qrels
    assert found.rejected == expected.rejected


LAYOUTS = {
    "mteb, jsonl": layouts.mteb_jsonl,
    "mteb, parquet in data/": layouts.mteb_parquet,
    "mteb, parquet in qrels/": lambda: layouts.mteb_parquet("qrels/"),
    "mteb, parquet in default/": lambda: layouts.mteb_parquet("default/"),
    "mteb, parquet beside": lambda: layouts.mteb_parquet(""),
    "mteb, as its card says": layouts.mteb_by_card,
    "mteb, as the Hub converts it": layouts.mteb_converted,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_mteb_gives_what_the_folder_gives(here, local, layout):
    commit = put(here, "mteb/scifact", LAYOUTS[layout]())
    source = Hub(id="mteb/scifact", revision="main", dev=0.1, license=LICENSE)
    collection = source.load(13, 40)
    same(collection, local[0])
    assert collection.origin == {"mteb/scifact": commit}
    held_out = source.held_out(collection, 13)
    assert list(held_out) == ["dev", "test"]
    for name, part in held_out.items():
        same(part, local[1][name])


def test_the_two_repositories_of_beir_give_what_the_folder_gives(here, local):
    main, qrels = layouts.beir()
    commits = {
        "BeIR/scifact": put(here, "BeIR/scifact", main),
        "BeIR/scifact-qrels": put(here, "BeIR/scifact-qrels", qrels),
    }
    source = Hub(id="BeIR/scifact", revision="main", qrels="BeIR/scifact-qrels@main", dev=0.1, license=LICENSE)
    collection = source.load(13, 40)
    same(collection, local[0])
    assert collection.origin == commits
    for name, part in source.held_out(collection, 13).items():
        same(part, local[1][name])
    assert not any(".py" in logged.path for logged in here.log)


def test_pairs_give_what_a_file_gives(here, tmp_path):
    files = layouts.pairs()
    commit = put(here, "a/pairs", files)
    columns = {"query": "question", "positive": "answer"}
    source = Hub(
        id="a/pairs", revision="main", dev=0.1, license=LICENSE,
        pairs=HubPairs(files="pair/train-*", test=0.2, **columns),
    )  # fmt: skip
    collection = source.load(13, 30)
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = [pq.read_table(pa.BufferReader(data)) for name, data in files.items() if name.startswith("pair/")]
    pq.write_table(pa.concat_tables(whole), tmp_path / "pairs.parquet")
    alone = Pairs(path=str(tmp_path / "pairs.parquet"), dev=0.1, test=0.2, license=LICENSE, **columns)
    same(collection, alone.load(13, 30))
    assert collection.origin == {"a/pairs": commit}
    held_out, expected = source.held_out(collection, 13), alone.held_out(collection, 13)
    assert list(held_out) == list(expected) == ["dev", "test"]
    for name, part in held_out.items():
        same(part, expected[name])
    assert not any("triplet" in logged.path for logged in here.log)


@pytest.mark.parametrize(
    ("corpus", "judgements"),
    [
        ("texts/c.jsonl", "labels/*"),
        (["texts/c.jsonl"], ["labels/a.jsonl"]),
        ({"corpus": "texts/c.jsonl"}, {"train": ["labels/a.jsonl"]}),
        ([{"split": "corpus", "path": ["texts/c.jsonl"]}], [{"split": "train", "path": "labels/a.jsonl"}]),
    ],
)
def test_a_card_names_files_in_every_form_that_the_hub_reads(here, corpus, judgements):
    configs = [
        {"config_name": "corpus", "data_files": corpus},
        {"config_name": "queries", "data_files": "texts/q.jsonl"},
        {"config_name": "default", "data_files": judgements},
    ]
    source, _ = small(here)  # of which the card knows nothing
    files = {"corpus.jsonl": "texts/c.jsonl", "queries.jsonl": "texts/q.jsonl", "qrels/test.jsonl": "labels/a.jsonl"}
    moved = {new: here.file("datasets/a/b", "main", old) for old, new in files.items()}
    card = f"---\n{yaml.safe_dump({'configs': configs})}---\n".encode()
    put(here, "a/c", {"README.md": card, "qrels/train.jsonl": b"not what the card says"} | moved)
    found = source.model_copy(update={"id": "a/c"}).load(13)
    assert found.qrels == {"q2": {"d2": 1}}
    assert list(found.documents) == ["d1", "d2"]


def test_a_title_that_is_null_is_left_out(here):
    """As the Hub's own conversion writes the rows of a corpus in which only some documents have a title, or none."""
    source, _ = small(here)
    expected = source.load(13)
    rows = [{"_id": "d1", "title": "T", "text": "one"}, {"_id": "d2", "title": None, "text": "two"}]
    half, _ = small(here, repo="a/half", files=as_parquet(*rows))
    assert half.load(13).documents == expected.documents
    none, _ = small(here, repo="a/none", files=as_parquet(*({**row, "title": None} for row in rows)))
    assert [document.title for document in none.load(13).documents.values()] == ["", ""]


# One commit


def test_what_moves_between_two_reads_does_not_mix(here):
    source, first = small(here)
    collection = source.load(13)
    put(here, "a/b", {"qrels/test.jsonl": b'{"query-id":"q2","corpus-id":"d1","score":1}\n'})
    assert source.held_out(collection, 13)["test"].qrels == {"q2": {"d2": 1}}
    moved = source.load(13)
    assert moved.origin != {"a/b": first} == collection.origin
    assert source.held_out(moved, 13)["test"].qrels == {"q2": {"d1": 1}}
    pinned = source.model_copy(update={"revision": first})
    assert pinned.load(13).digest == collection.digest


def test_content_names_the_digest_and_not_the_revision(here):
    source, _ = small(here)
    before = source.load(13)
    put(here, "a/b", {"README.md": b"# another card\n"})
    after = source.load(13)
    assert (after.digest, after.origin == before.origin) == (before.digest, False)
    put(here, "a/b", {"corpus.jsonl": b'{"_id":"d1","text":"one"}\n{"_id":"d2","text":"two!"}\n'})
    assert source.load(13).digest != before.digest


def test_without_the_hub_a_commit_is_read_and_a_branch_is_not(here, monkeypatch):
    source, commit = small(here)
    collection = source.load(13)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UnavailableError, match=f"or write {commit} in place of main"):
        source.load(13)
    same(source.model_copy(update={"revision": commit}).load(13), collection)
    assert source.held_out(collection, 13)["test"].qrels == {"q2": {"d2": 1}}


@pytest.mark.slow
def test_lock_and_manifest_name_the_commits(here, tmp_path, fresh_cache):
    from syneg_data import build

    main, qrels = layouts.beir()
    commits = {
        "BeIR/scifact": put(here, "BeIR/scifact", main),
        "BeIR/scifact-qrels": put(here, "BeIR/scifact-qrels", qrels),
    }
    source = {"kind": "hub", "id": "BeIR/scifact", "revision": "main", "qrels": "BeIR/scifact-qrels@main"}
    recipe = small_recipe(
        tmp_path, source={**source, "license": LICENSE}, generation=None, mixing={"kind": "mined_only"}
    )
    written = yaml.safe_load(recipe.read_text())
    del written["generation"]
    recipe.write_text(yaml.safe_dump(written))
    folder = build(load_recipe(recipe), tmp_path / "out").folder
    assert read_manifest(folder)["inputs"]["source"]["commits"] == commits
    lock = yaml.safe_load((folder / "recipe.lock.yaml").read_text())
    assert lock["inputs"]["source"]["commits"] == commits
    assert lock["recipe"]["source"]["revision"] == "main"


# Splits


def test_splits_under_other_names(here):
    source, _ = small(
        here,
        files={"qrels/train.jsonl": None, "qrels/dev.jsonl": b'{"query-id":"q1","corpus-id":"d1","score":1}\n'},
        splits={"train": "dev"},
    )
    collection = source.load(13)
    assert collection.qrels == {"q1": {"d1": 1}}
    assert list(source.held_out(collection, 13)) == ["test"]


@pytest.mark.parametrize("theirs", ["validation", "dev"])
def test_validation_is_dev(here, theirs):
    line = b'{"query-id":"q1","corpus-id":"d2","score":1}\n'
    source, _ = small(here, files={f"qrels/{theirs}.jsonl": line})
    assert list(source.held_out(source.load(13), 13)) == ["dev", "test"]
    for name in ("validation", "dev"):
        renamed = source.model_copy(update={"splits": {"train": name}, "evaluation": ()})
        assert renamed.load(13).qrels == {"q1": {"d2": 1}}, name


def test_a_split_that_is_not_there(here):
    source, commit = small(here)
    label = f"a/b@{commit[:12]}"
    for changes, said in [
        ({"split": "dev"}, "judgements of dev: no such file; set source.dev (such as 0.1) to cut dev from train"),
        ({"split": "extra"}, "judgements of extra: no such file; splits there: test, train"),
        (
            {"splits": {"train": "extra"}},
            "judgements of extra: not there, and source.splits names it; splits there: test, train",
        ),
    ]:
        with pytest.raises(InputError) as caught:
            source.model_copy(update=changes).load(13)
        assert str(caught.value) == f"{label}: {said}"


def test_evaluation_names_what_comes_along(here):
    source, _ = small(here, evaluation=("test",))
    assert list(source.held_out(source.load(13), 13)) == ["test"]
    none = source.model_copy(update={"evaluation": ()})
    assert none.held_out(none.load(13), 13) == {}
    wrong = source.model_copy(update={"evaluation": ("train",)})
    with pytest.raises(InputError, match=r"source\.evaluation: 'train' is the split to build on"):
        wrong.held_out(wrong.load(13), 13)


# What is wrong is named by repository, commit, file and line; never by a path of this machine.


NOT_WHOLE = "is not a whole number; grades are whole numbers; above 0 is relevant"
FIELDS = "every line needs 'query-id' and 'corpus-id', each text in quotes, and 'score'"
DROP = ", or set source.dangling: drop to have such judgements counted and left out"


def one_judgement(text):
    return {"qrels/train.jsonl": text.encode() + b"\n"}


def as_parquet(*rows):
    return {"corpus.jsonl": None, "corpus/0.parquet": layouts.parquet(rows)}


TWO_FILES = {"corpus.jsonl": None, "corpus/a.jsonl": b'{"_id":"d1","text":"one"}\n'}
TWO_FILES["corpus/b.jsonl"] = b'\n{"_id":"d1","text":"two"}\n'

BAD = {
    "corpus": (
        {"corpus.jsonl": b'{"_id":"d1","text":"one"}\n{"_id":"d1","text":"two"}\n'},
        "corpus.jsonl:2: duplicate id 'd1', first in line 1; ids must be unique",
    ),
    "corpus in two files": (
        TWO_FILES,
        "corpus/b.jsonl:2: duplicate id 'd1', first in {label}/corpus/a.jsonl:1; ids must be unique",
    ),
    "empty corpus": ({"corpus.jsonl": b""}, "corpus.jsonl: the corpus is empty; it needs one JSON object per line"),
    "queries": (
        {"queries.jsonl": b'{"_id":"q1","text":3}\n'},
        "queries.jsonl:1: 'text' is a number; it must be text in quotes",
    ),
    "number as id": (
        one_judgement('{"query-id":1,"corpus-id":"d1","score":1}'),
        f"qrels/train.jsonl:1: 'query-id' is a number; {FIELDS}",
    ),
    "no document": (one_judgement('{"query-id":"q1","score":1}'), f"qrels/train.jsonl:1: no 'corpus-id'; {FIELDS}"),
    "no score": (
        one_judgement('{"query-id":"q1","corpus-id":"d1"}'),
        f"qrels/train.jsonl:1: score None {NOT_WHOLE}",
    ),
    "true": (
        one_judgement('{"query-id":"q1","corpus-id":"d1","score":true}'),
        f"qrels/train.jsonl:1: score True {NOT_WHOLE}",
    ),
    "half": (
        one_judgement('{"query-id":"q1","corpus-id":"d1","score":0.5}'),
        f"qrels/train.jsonl:1: score 0.5 {NOT_WHOLE}",
    ),
    "two grades": (
        one_judgement('{"query-id":"q1","corpus-id":"d1","score":1}\n{"query-id":"q1","corpus-id":"d1","score":2}'),
        "qrels/train.jsonl:2: 'q1', 'd1' was 1 before; keep one of the two lines",
    ),
    "dangling document": (
        one_judgement('{"query-id":"q1","corpus-id":"d9","score":1}'),
        f"qrels/train.jsonl:1: document 'd9' is not in the corpus; add the document or remove the line{DROP}",
    ),
    "dangling query": (
        one_judgement('{"query-id":"q9","corpus-id":"d1","score":1}'),
        f"qrels/train.jsonl:1: query 'q9' is not in the queries file; add the query or remove the line{DROP}",
    ),
    "parquet of numbers": (
        as_parquet({"_id": 1, "text": "one"}),
        "corpus/0.parquet: '_id' is int64; it must be text, so cast it to string",
    ),
    "parquet without text": (
        as_parquet({"_id": "d1", "body": "one"}),
        "corpus/0.parquet: no 'text' among '_id', 'body'; name the columns in the recipe's source, or add it",
    ),
    "parquet with a null": (
        as_parquet({"_id": "d1", "text": "x"}, {"_id": "d2", "text": None}),
        "corpus/0.parquet:2: 'text' is null; it must be text in quotes",
    ),
    "broken gzip": ({"corpus.jsonl": None, "corpus.jsonl.gz": b"\x1f\x8bnot"}, "corpus.jsonl.gz: broken gzip"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_named(here, tmp_path, case):
    files, said = BAD[case]
    source, commit = small(here, files=files)
    with pytest.raises(InputError) as caught:
        source.load(13)
    label = f"a/b@{commit[:12]}"
    assert str(caught.value).startswith(f"{label}/{said.replace('{label}', label)}")
    assert str(tmp_path) not in str(caught.value)


TRAIN = "data/train-00000-of-0000{}.parquet"


@pytest.mark.parametrize("home", ["corpus", "data"])
def test_a_part_that_is_missing_is_missed(here, home):
    files = layouts.mteb_parquet()
    if home == "corpus":
        del files["corpus/corpus-00001-of-00002.parquet"]
    else:
        files[TRAIN.format(2)] = files.pop(TRAIN.format(1))
    commit = put(here, "a/b", files)
    with pytest.raises(InputError, match=rf"^a/b@{commit[:12]}: 1 of 2 files are there \({home}/"):
        Hub(id="a/b", revision="main", license="mit").load(13)


@pytest.mark.parametrize("missing", ["corpus", "queries"])
def test_a_repository_that_is_no_collection(here, missing):
    source, commit = small(here, files={f"{missing}.jsonl": None})
    with pytest.raises(
        InputError, match=rf"^a/b@{commit[:12]}: no {missing}: neither a config of that name on its card"
    ):
        source.load(13)


def test_dangling_judgements_can_be_dropped_and_are_counted(here):
    lines = b'{"query-id":"q1","corpus-id":"d1","score":1}\n{"query-id":"q1","corpus-id":"d9","score":1}\n'
    lines += b'{"query-id":"q9","corpus-id":"d1","score":2}\n{"query-id":"q1","corpus-id":"d8","score":0}\n'
    source, _ = small(here, files={"qrels/train.jsonl": lines}, dangling="drop")
    collection = source.load(13)
    assert collection.qrels == {"q1": {"d1": 1}}
    assert collection.rejected == {"not_there": 2}


def test_what_is_dropped_is_counted_where_its_query_belongs(here):
    lines = b"".join(b'{"query-id":"q%d","corpus-id":"d9","score":1}\n' % i for i in range(40))
    queries = b"".join(b'{"_id":"q%d","text":"what"}\n' % i for i in range(200))
    good = b"".join(b'{"query-id":"q%d","corpus-id":"d1","score":1}\n' % i for i in range(100, 200))
    files = {"queries.jsonl": queries, "qrels/train.jsonl": lines + good, "qrels/test.jsonl": None}
    source, _ = small(here, files=files, dangling="drop", dev=0.5)
    train = source.load(13)
    dev = source.held_out(train, 13)["dev"]
    assert not set(train.queries) & set(dev.queries)
    assert len(train.queries) + len(dev.queries) == 100
    assert train.rejected["not_there"] + dev.rejected["not_there"] == 40
    assert 5 < dev.rejected["not_there"] < 35


def test_pairs_that_are_not_there(here):
    commit = put(here, "a/pairs", layouts.pairs())
    source = Hub(id="a/pairs", revision="main", license="mit", pairs=HubPairs(files="pair/test-*"))
    with pytest.raises(InputError, match=rf"^a/pairs@{commit[:12]}: no file pair/test-\* that ends in .jsonl, "):
        source.load(13)
    other = source.model_copy(update={"pairs": HubPairs(files="pair/train-*")})
    with pytest.raises(
        InputError, match=r"train-00000-of-00002.parquet: no 'query' among 'question', 'answer', 'extra'"
    ):
        other.load(13)


def test_a_part_of_the_pairs_is_taken_only_where_it_is_named(here):
    files = layouts.pairs()
    pairs = HubPairs(files="pair/train-*", query="question", positive="answer")
    whole = Hub(id="a/pairs", revision="main", license="mit", pairs=pairs)
    put(here, "a/pairs", files)
    count = len(whole.load(13).queries)
    named = pairs.model_copy(update={"files": "pair/train-00000-of-*"})
    assert 0 < len(whole.model_copy(update={"pairs": named}).load(13).queries) < count
    here.put("datasets/a/pairs", "dataset", {}, deleted=("pair/train-00001-of-00002.parquet",))
    with pytest.raises(InputError, match=r"1 of 2 files are there \(pair/train-00000-of-00002\.parquet"):
        whole.load(13)


REFUSED = {
    "qrels of its own": ({"qrels": "a/b@v1"}, "qrels is the repository itself; leave it out"),
    "qrels without a revision": ({"qrels": "a/c"}, "should match pattern"),
    "one split, two names": ({"splits": {"train": "dev", "more": "dev"}}, "splits gives one split two names"),
    "pairs and qrels": ({"pairs": {"files": "x"}, "qrels": "a/c@v1"}, "qrels does not go with pairs"),
    "pairs and splits": ({"pairs": {"files": "x"}, "splits": {"train": "dev"}}, "splits does not go with pairs"),
    "pairs and evaluation": ({"pairs": {"files": "x"}, "evaluation": ["test"]}, "evaluation does not go with pairs"),
    "one column": ({"pairs": {"files": "x", "query": "q", "positive": "q"}}, "query and positive are one column, q"),
    "shares": ({"pairs": {"files": "x", "test": 0.5}, "dev": 0.5}, "dev and test take all queries"),
    "no part": ({"pairs": {"files": "x"}, "split": "test"}, "there is no test: pairs have train"),
    "an id with a path": ({"id": "../a/b"}, "should match pattern"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_together_is_refused(case):
    changes, said = REFUSED[case]
    with pytest.raises(ValidationError, match=said):
        TypeAdapter(Source).validate_python(
            {"kind": "hub", "id": "a/b", "revision": "v1", "license": "mit", **changes}, context={"base": "."}
        )


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "qrels").is_dir(), reason="SYNEG_TEST_COLLECTION names no folder in the BEIR layout")
def test_a_larger_real_collection(here):
    names = sorted(path.stem for path in (REAL / "qrels").glob("*.tsv"))
    put(here, "BeIR/real", {name: (REAL / name).read_bytes() for name in ("corpus.jsonl.gz", "queries.jsonl.gz")})
    put(here, "BeIR/real-qrels", {f"{name}.tsv": (REAL / "qrels" / f"{name}.tsv").read_bytes() for name in names})
    local = Beir(path=str(REAL), split="train", license=LICENSE)
    source = Hub(id="BeIR/real", revision="main", qrels="BeIR/real-qrels@main", license=LICENSE)
    collection, expected = source.load(13), local.load(13)
    same(collection, expected)
    held_out, theirs = source.held_out(collection, 13), local.held_out(expected, 13)
    assert list(held_out) == list(theirs)
    for name, part in held_out.items():
        same(part, theirs[name])
