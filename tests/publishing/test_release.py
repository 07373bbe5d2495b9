"""A release read back: what is believed of a folder, and what is refused."""

import json

import pyarrow as pa
import pytest
import yaml

from syneg_data.durable import write_text
from syneg_data.errors import InputError, UnavailableError
from syneg_data.export.parquet import write_configs
from syneg_data.publishing.manifest import write_manifest
from syneg_data.publishing.release import open_release

CORPUS = [
    {"_id": "d1", "title": "One", "text": "first", "synthetic": False},
    {"_id": "d2", "title": "", "text": "second", "synthetic": False},
    {"_id": "s1", "title": "", "text": "written", "synthetic": True},
]


def write_release(folder, qrels=None, splits=("train",)):
    tables = {
        "n-tuple": {split: pa.table({"query": ["q"], "positive": ["p"], "negative_1": ["n"]}) for split in splits},
        "corpus": {"train": pa.Table.from_pylist(CORPUS)},
        "queries": {
            "train": pa.table({"_id": ["q1"], "text": ["one?"]}),
            "test": pa.table({"_id": ["q7", "q8"], "text": ["seven?", "eight?"]}),
        },
        "qrels": {
            "train": pa.table({"query-id": ["q1"], "corpus-id": ["d1"], "score": [1]}),
            "test": pa.Table.from_pylist(
                qrels
                or [
                    {"query-id": "q7", "corpus-id": "d2", "score": 2},
                    {"query-id": "q8", "corpus-id": "d1", "score": 1},
                ]
            ),
        },
    }
    rows = write_configs(folder, tables)
    write_text(folder / "recipe.lock.yaml", yaml.safe_dump({"recipe": {"name": "small", "seed": 7}}))
    write_manifest(folder, "ab" * 32, {}, rows)
    return folder


def test_splits_to_evaluate_on_search_the_real_documents(tmp_path):
    release = open_release(str(write_release(tmp_path / "small")))
    assert (release.label, release.split, release.recipe) == ("small", "train", {"name": "small", "seed": 7})
    (name,) = release.held_out()
    test = release.held_out()[name]
    assert name == "test"
    assert dict(test.queries) == {"q7": "seven?", "q8": "eight?"}
    assert test.qrels == {"q7": {"d2": 2}, "q8": {"d1": 1}}
    assert [test.text(doc_id) for doc_id in test.documents] == ["One first", "second"]


def test_every_byte_counts(tmp_path):
    folder = write_release(tmp_path / "small")
    assert open_release(str(folder)).digest == open_release(str(folder)).digest
    (folder / "qrels" / "test-00000-of-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"small: 1 files are not as manifest\.json says \(qrels/test-"):
        open_release(str(folder))


def test_a_file_that_is_gone_is_missed(tmp_path):
    folder = write_release(tmp_path / "small")
    (folder / "corpus" / "train-00000-of-00001.parquet").unlink()
    with pytest.raises(InputError, match="build or download it again"):
        open_release(str(folder))


@pytest.mark.parametrize("content", [None, "{", "[" * 300_000, "[]", '{"files": 3}', '{"files": {}}'])
def test_a_folder_that_is_no_build(tmp_path, content):
    (tmp_path / "other").mkdir()
    if content is not None:
        (tmp_path / "other" / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"other: has no manifest\.json of a build"):
        open_release(str(tmp_path / "other"))


def test_judgements_of_what_is_not_there(tmp_path):
    broken = [{"query-id": "q7", "corpus-id": "s1", "score": 1}, {"query-id": "q8", "corpus-id": "d1", "score": 1}]
    release = open_release(str(write_release(tmp_path / "small", qrels=broken)))
    with pytest.raises(InputError, match="qrels/test judges 's1' for 'q7', which the release does not hold"):
        release.held_out()


def test_a_judgement_of_a_query_that_is_not_there(tmp_path):
    broken = [{"query-id": "q9", "corpus-id": "d1", "score": 1}, {"query-id": "q8", "corpus-id": "d1", "score": 1}]
    release = open_release(str(write_release(tmp_path / "small", qrels=broken)))
    with pytest.raises(InputError, match="qrels/test judges 'd1' for 'q9', which the release does not hold"):
        release.held_out()


def test_judgements_that_are_left_out_make_no_document_relevant(tmp_path):
    release = open_release(str(write_release(tmp_path / "small")))
    assert release.judgements("test") == ({"q7": "seven?", "q8": "eight?"}, {"q7": {"d2": 2}, "q8": {"d1": 1}})
    with pytest.raises(InputError, match="qrels/test names no relevant document for query 'q8'"):
        release.judgements("test", without={("q8", "d1")})


def test_a_config_has_the_columns_that_it_has_in_every_build(tmp_path):
    release = open_release(str(write_release(tmp_path / "small")))
    assert release.table("corpus").column_names == ["_id", "title", "text", "synthetic"]
    assert release.table("n-tuple").column_names == ["query", "positive", "negative_1"]
    assert release.whole("queries")["_id"].to_pylist() == ["q7", "q8", "q1"]
    write_configs(tmp_path / "small", {"corpus": {"train": pa.table({"_id": ["d1"], "text": ["first"]})}})
    write_manifest(tmp_path / "small", "ab" * 32, {}, {})
    with pytest.raises(InputError, match=r"small: corpus is not as a build writes it \(no .*title.*; build it again"):
        open_release(str(tmp_path / "small")).table("corpus")


def test_two_training_splits_are_one_too_many(tmp_path):
    with pytest.raises(InputError, match=r"n-tuple has splits \['more', 'train'\]"):
        open_release(str(write_release(tmp_path / "small", splits=("train", "more"))))


def test_a_config_that_is_not_there(tmp_path):
    release = open_release(str(write_release(tmp_path / "small")))
    with pytest.raises(InputError, match="small: has no split 'train' of 'candidates'"):
        release.table("candidates")


def test_a_hub_that_cannot_be_reached_is_exit_4(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UnavailableError, match=r"someone/data@v1: .*check network and HF_ENDPOINT"):
        open_release("someone/data@v1")


def test_a_name_that_the_hub_cannot_have():
    with pytest.raises(InputError, match="correct the id"):
        open_release("some one/da ta@v1")


def test_the_manifest_is_the_digest(tmp_path):
    folder = write_release(tmp_path / "small")
    before = open_release(str(folder)).digest
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["inputs"] = {"other": 1}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert open_release(str(folder)).digest != before


def test_a_query_without_a_relevant_document_is_named(tmp_path):
    folder = write_release(tmp_path / "small", qrels=[{"query-id": "q7", "corpus-id": "d2", "score": 2}])
    with pytest.raises(InputError, match="qrels/test names no relevant document for query 'q8'; build it again"):
        open_release(str(folder)).held_out()


def test_files_that_the_manifest_does_not_list_are_not_read(tmp_path):
    folder = write_release(tmp_path / "small")
    for config in ("qrels", "queries"):
        (folder / config / "extra-00000-of-00001.parquet").write_bytes(b"no parquet")
    (folder / "n-tuple" / "train-00001-of-00002.parquet").write_bytes(b"no parquet")
    release = open_release(str(folder))
    assert set(release.held_out()) == {"test"}
    assert release.table("n-tuple").num_rows == 1
