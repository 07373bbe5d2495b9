"""A simulated world whose truth is known: does the judge find it, after real training?

Every document is about one thing and one property of it; queries name the property by another word. The synthetic
negatives are all false: each says what its query's positive says, in another order. So the hybrid arm is taught that
answers are wrong. Dealt to other queries, as the placebo arm does, the same texts are documents like any other and
teach what the batch does.
"""

import itertools
import json
import random

import pytest

from syneg_data.collection import Collection, Document
from syneg_data.execution import Silence
from syneg_data.judge.arms import ARMS, Ground
from syneg_data.judge.experiment import Experiment
from syneg_data.judge.findings import findings
from syneg_data.judge.runs import run_arms
from syneg_data.mixing.selection import Material
from syneg_data.recipe import Comparison
from syneg_data.records import Hit, Verdict
from syneg_data.references import PathModel
from syneg_data.training import Training
from syneg_data.workspace import Workspace

THINGS = (
    "lamp", "boat", "drum", "fern", "wolf", "coin", "harp", "kite", "loom", "mask",
    "oven", "pear", "quay", "raft", "sled", "tent", "urn", "vase", "well", "yard",
)  # fmt: skip
SAID = {"colour": "hue", "weight": "mass", "price": "cost", "age": "years", "size": "extent", "smell": "odour"}
FILLER = ("some", "text", "that", "says", "little", "more")
ARMS_HERE = ("none", "in_batch", "hybrid", "placebo")


def text_about(thing, told, chance):
    words = [thing, told, *chance.choices(FILLER, k=3)]
    chance.shuffle(words)
    return " ".join(words)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory, save_encoder):
    folder, chance = tmp_path_factory.mktemp("simulated"), random.Random(3)
    topics = list(itertools.product(THINGS, SAID.items()))
    chance.shuffle(topics)
    queries = {f"q{i}": f"{asked} of the {thing}" for i, (thing, (asked, _)) in enumerate(topics)}
    documents, written = (
        {
            f"{letter}{i}": Document(f"{letter}{i}", text_about(thing, told, chance))
            for i, (thing, (_, told)) in enumerate(topics)
        }
        for letter in "ds"
    )
    (folder / "corpus.jsonl").write_text(json.dumps([document.text for document in documents.values()]))
    (folder / "queries.jsonl").write_text(json.dumps(list(queries.values())))
    base = PathModel(kind="path", path=str(save_encoder(folder / "tiny", folder)))

    def split(start, end):
        ids = [f"q{i}" for i in range(start, end)]
        judged = {query_id: {f"d{query_id[1:]}": 1} for query_id in ids}
        return Collection(documents, {query_id: queries[query_id] for query_id in ids}, judged, f"{start} to {end}")

    train, dev, test = split(0, 70), split(70, 82), split(82, len(topics))
    kept = []
    for query_id in train.queries:
        i = query_id[1:]
        kept.append(
            Verdict(query_id, f"d{i}", f"s{i}", "synthetic", (Hit("syneg", 1, None),), 0.4, 0.9, (), "keep", "")
        )
        mined = chance.choice([doc_id for doc_id in documents if doc_id != f"d{i}"])
        kept.append(Verdict(query_id, None, mined, "mined", (Hit("bm25", 1, 1.0),), 0.3, 0.9, (), "keep", ""))
    whole = train.with_documents(written.values())
    ground = Ground(Material(whole, kept, seed=7), list(documents), synthetic=1, mined=1, encoder=None)
    spec = Training(base=base, epochs=30, batch_size=16, learning_rate=5e-3, checks=1)
    chosen, sets = {name: ARMS[name].choose(ground) for name in ARMS_HERE}, {"simulated": {"dev": dev, "test": test}}
    experiment = Experiment(
        spec, Comparison(learning_rates=(5e-3,)), base.resolve(), "simulated", train.pairs(), chosen, whole, sets, [],
        13, None, "", False, Workspace(folder / "work"),
    )  # fmt: skip
    return findings(list(run_arms(experiment, folder / "runs", 3, Silence())), "simulated")


@pytest.mark.slow
def test_false_negatives_do_harm_and_the_placebo_is_within_noise_of_the_batch(simulated):
    table = {row["arm"]: row for row in simulated["tables"]["simulated"]["test"]}
    assert table["in_batch"]["to_none"]["reading"] == "better"
    assert table["hybrid"]["to_in_batch"]["reading"] == "worse"
    assert table["placebo"]["to_in_batch"]["reading"] == "no effect found"
    assert abs(table["placebo"]["to_in_batch"]["mean"]) < 0.05
    assert simulated["controls"]["placebo"]["reading"] == "worse"  # the true texts do worse than the dealt ones
    assert simulated["verdict"][0].startswith("On simulated/test, hybrid is WORSE than in_batch: nDCG@10 -0.")
