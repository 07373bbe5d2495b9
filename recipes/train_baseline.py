# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "accelerate>=1.3", "datasets>=4.0", "numpy>=1.26", "sentence-transformers>=6.0,<7", "torch>=2.10",
#   "transformers>=5.5,<6",
# ]
# ///
"""Train and measure the reference baseline on a published release; this file is enough, syneg-data is not needed.

    python train_baseline.py --dataset ID_OR_FOLDER --revision v1.0.0 --base MODEL --out DIR

DIR gets `training.json` (what was done, metrics before and after) and `model/`; progress goes to stderr, a table to
stdout. On one CPU the same seed gives the same numbers; a GPU may round differently from run to run.
"""

import argparse
import contextlib
import hashlib
import json
import math
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from datasets import Dataset, disable_progress_bars, get_dataset_config_names, load_dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerModelCardData,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.util import is_sentence_transformer_model

METRICS = ("nDCG@10", "MRR@10", "Recall@10", "Recall@100", "MAP@100")
NUMBERS = ("epochs", "batch_size", "learning_rate", "max_length", "temperature", "limit_steps")  # options
LIBRARIES = ("sentence-transformers", "transformers", "torch", "datasets", "numpy")
DEPTH = 100
QUERY_BLOCK, DOCUMENT_BLOCK = 64, 50_000  # no matrix of scores is larger, however big the corpus


class Refusal(Exception):
    """What is wrong and what to do about it, for the one line on stderr."""


class Parser(argparse.ArgumentParser):
    """argparse with one-line complaints."""

    def error(self, message: str) -> NoReturn:
        """Refuse."""
        raise Refusal(f"{message}; see --help")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Parser(prog="train_baseline", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dataset", required=True, help="release: a folder, or a data set's ID on the Hub")
    parser.add_argument("--revision", help="tag or commit of a data set on the Hub")
    parser.add_argument("--base", required=True, help="sentence-transformers model: a folder, ID or ID@REVISION")
    parser.add_argument("--out", required=True, type=Path, help="folder for training.json and model/")
    parser.add_argument("--config", default="n-tuple", help="n-tuple, triplet, or ragged where the release has that")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--max-length", type=int, default=192, help="tokens of a text")
    parser.add_argument("--temperature", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--limit-steps", type=int, help="train for so many steps at most, to try things out")
    parser.add_argument("--skip-before", action="store_true", help="do not measure the base model")
    options = parser.parse_args(arguments)
    for name in NUMBERS:
        if (value := getattr(options, name)) is not None and not 0 < value < math.inf:
            parser.error(f"--{name.replace('_', '-')} must be positive, not {value}")
    return options


@contextlib.contextmanager
def handling(what: str, mend: str) -> Iterator[None]:
    """Say in one line which of the user's things a library failed at, whatever it raised."""
    try:
        yield
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Refusal(f"{what}: {first}; {mend}") from error


def sha256(*paths: Path) -> str:
    """Digest of the files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


class Release:
    """A published release: a folder, checked against its manifest, or a data set on the Hub, held to one commit."""

    def __init__(self, dataset: str, revision: str | None) -> None:
        self.dataset, self.revision = dataset, revision
        self.folder = Path(dataset) if Path(dataset).is_dir() else None
        self.name = self.folder.resolve().name if self.folder else dataset  # published: no path of this machine
        # The library tells folders in its cache apart by their name only, and would serve the rows of another.
        self.cache = tempfile.TemporaryDirectory()
        if self.folder:
            with handling(f"data set {dataset}", "give the folder of a release, with its manifest.json"):
                self.files = json.loads((self.folder / "manifest.json").read_text())["files"]
                self.revision = f"sha256:{sha256(self.folder / 'manifest.json')}"
        with handling(f"data set {dataset}", "check its name, --revision and the network"):
            self.configs: list[str] = get_dataset_config_names(dataset, revision=revision)

    def open(self, config: str, *columns: str) -> dict[str, Dataset]:
        """The tables of a config by split; all have rows, and these columns."""
        if config not in self.configs:
            has = ", ".join(sorted(self.configs))
            raise Refusal(f"config {config}: not in {self.name}, which has {has}; choose another --config or release")
        if self.folder:
            present = {f"{config}/{path.name}" for path in (self.folder / config).glob("*.parquet")}
            for name in sorted(present | {name for name in self.files if name.startswith(f"{config}/")}):
                if name not in present or sha256(self.folder / name) != self.files.get(name, {}).get("sha256"):
                    raise Refusal(f"{name}: not the file that manifest.json lists; fetch the release again")
        # The library fails on a split without rows, in words that do not say so.
        with handling(f"config {config}, empty or damaged", "fetch the release again or give one that has rows"):
            place = {"cache_dir": self.cache.name} if self.folder else {"revision": self.revision}
            tables: dict[str, Dataset] = dict(load_dataset(self.dataset, config, **place))
        for split, table in tables.items():
            if missing := [name for name in columns if name not in table.column_names]:
                raise Refusal(f"config {config}, split {split}: no column {missing[0]}; give a config that has it")
            for url in table.download_checksums or ():
                if commit := re.match(r"hf://datasets/.+?@([0-9a-f]{40})/", url):
                    self.revision = commit[1]  # what is opened next is of the same commit, though a tag moves
        return tables


def training_rows(release: Release, config: str) -> tuple[str, Dataset]:
    """The training split and its rows, columns in the order in which the loss takes them."""
    tables = release.open(config, "query", "positive")
    if len(tables) != 1:
        raise Refusal(f"config {config}: splits {', '.join(tables)} where one is expected; give a release")
    ((split, rows),) = tables.items()
    if "negatives" in rows.column_names:  # of some there are fewer; the loss takes equally many, so they repeat
        lists = list(rows["negatives"])
        for n in range(max(map(len, lists))):
            rows = rows.add_column(f"negative_{n + 1}", [texts[n % len(texts)] for texts in lists])
    negatives = [name for name in rows.column_names if re.fullmatch(r"negative(_\d+)?", name)]
    if not negatives:
        raise Refusal(f"config {config}: no column of negatives; give a config that has them, such as n-tuple")
    return split, rows.select_columns(["query", "positive", *negatives])


@dataclass(frozen=True)
class Exam:
    """What models are measured on: the real documents, and the judged queries of each split but the training one."""

    documents: dict[str, str]
    queries: dict[str, dict[str, str]]
    qrels: dict[str, dict[str, dict[str, int]]]


def load_exam(release: Release, training: str) -> Exam | None:
    """The release's evaluation splits; None if it has none."""
    judged = release.open("qrels", "query-id", "corpus-id", "score") if "qrels" in release.configs else {}
    if not (splits := sorted(judged.keys() - {training})):
        return None
    asked = release.open("queries", "_id", "text")
    corpus = release.open("corpus", "_id", "title", "text", "synthetic").get(training, ())
    # Nobody would find the synthetic documents in the real collection.
    documents = {d["_id"]: f"{d['title'] or ''} {d['text']}".strip() for d in corpus if not d["synthetic"]}
    exam = Exam(documents, {}, {split: {} for split in splits})
    for split, qrels in exam.qrels.items():
        exam.queries[split] = {row["_id"]: row["text"] for row in asked.get(split, ())}
        for row in judged[split]:
            if row["score"] > 0:
                qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = row["score"]
        if not (documents and qrels and qrels.keys() <= exam.queries[split].keys()):
            raise Refusal(f"split {split}: its qrels, queries or corpus are not whole; fetch the release again")
    return exam


def positions_of(model: SentenceTransformer) -> int | None:
    """Tokens that the network has positions for, where it says so; RoBERTa's kin count from behind the padding's."""
    network = getattr(model[0], "auto_model", None)
    positions = getattr(getattr(network, "config", None), "max_position_embeddings", None)
    table = getattr(getattr(network, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return positions if positions is None or padding is None else positions - padding - 1


def load_base(base: str, max_length: int) -> tuple[SentenceTransformer, dict[str, str | None]]:
    """The model and what names it. Only safetensors, no code of the model's own, weights as float32."""
    local = Path(base).is_dir()
    name, _, revision = (base, "", "") if local else base.partition("@")
    with handling(f"base {base}", "check its name or folder; only safetensors are loaded"):
        model = SentenceTransformer(
            name,
            revision=revision or None,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True, "dtype": torch.float32},
            model_card_data=SentenceTransformerModelCardData(local_files_only=True, generate_widget_examples=False),
        )
        pooled = is_sentence_transformer_model(name, revision=revision or None)
        weights = f"sha256:{sha256(*sorted(Path(base).rglob('*.safetensors')))}" if local else None
    if not pooled:
        raise Refusal(f"base {base}: no modules.json, so pooling is a guess; give a sentence-transformers model")
    positions = positions_of(model)
    model.max_seq_length = min(max_length, positions or model.max_seq_length or max_length)
    commit = getattr(getattr(getattr(model[0], "auto_model", None), "config", None), "_commit_hash", revision)
    return model, {"base": Path(base).resolve().name if local else name, "base_revision": weights or commit}


def evaluate(model: SentenceTransformer, exam: Exam, batch_size: int) -> dict[str, dict[str, float]]:
    """Mean metrics of each split, over the queries that have a relevant document."""
    ids = sorted(exam.documents)  # ties go to the earlier position, and so to the smaller id
    documents = encode(model.encode_document, [exam.documents[doc_id] for doc_id in ids], batch_size)
    result = {}
    for split, qrels in exam.qrels.items():
        queries = encode(model.encode_query, [exam.queries[split][query_id] for query_id in qrels], batch_size)
        rows = []
        # One more than needed, as a query that is itself a document of the corpus does not count.
        for (query_id, judged), found in zip(qrels.items(), nearest(queries, documents, DEPTH + 1), strict=True):
            rows.append(measure([ids[n] for n in found if ids[n] != query_id][:DEPTH], judged))
        result[split] = {name: round(float(np.mean([row[name] for row in rows])), 6) for name in METRICS}
    return result


def encode(encoder: Callable[..., np.ndarray], texts: list[str], batch_size: int) -> np.ndarray:
    """Vectors of length one."""
    bar = sys.stderr.isatty()
    vectors = encoder(texts, batch_size=batch_size, normalize_embeddings=True, show_progress_bar=bar)
    if not np.isfinite(vectors).all():
        raise Refusal("the model's vectors are not finite; give another base, or lower --learning-rate")
    return vectors


def nearest(queries: np.ndarray, documents: np.ndarray, depth: int) -> list[np.ndarray]:
    """Positions of the `depth` documents with the highest cosine, for each query; ties by position."""
    best = [(np.empty(0, np.float32), np.empty(0, np.int64))] * len(queries)
    for first in range(0, len(documents), DOCUMENT_BLOCK):
        block = documents[first : first + DOCUMENT_BLOCK].T
        for start in range(0, len(queries), QUERY_BLOCK):
            # Rounded, as equal texts in different batches differ in the last bits.
            for row, new in enumerate(np.round(queries[start : start + QUERY_BLOCK] @ block, 6), start):
                scores = np.concatenate([best[row][0], new])
                found = np.concatenate([best[row][1], np.arange(first, first + len(new))])
                if len(scores) > depth:
                    near = scores >= np.partition(scores, -depth)[-depth]  # all that tie with the last place
                    scores, found = scores[near], found[near]
                order = np.argsort(-scores, kind="stable")[:depth]
                best[row] = scores[order], found[order]
    return [found for _, found in best]


def measure(ranked: list[str], judged: dict[str, int]) -> dict[str, float]:
    """Metrics of one query as trec_eval defines them: nDCG's gain is the grade; `judged` holds the relevant only."""
    gains = [judged.get(doc_id, 0) for doc_id in ranked]
    hits = [rank for rank, gain in enumerate(gains, 1) if gain]
    return {
        "nDCG@10": dcg(gains) / dcg(sorted(judged.values(), reverse=True)),
        "MRR@10": 1 / hits[0] if hits and hits[0] <= 10 else 0.0,
        "Recall@10": sum(rank <= 10 for rank in hits) / len(judged),
        "Recall@100": len(hits) / len(judged),
        "MAP@100": sum(n / rank for n, rank in enumerate(hits, 1)) / len(judged),
    }


def dcg(gains: list[int]) -> float:
    """Discounted gain of the first ten."""
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:10], 1))


def prompts(model: SentenceTransformer, columns: list[str]) -> dict[str, str]:
    """The prompts that `encode_query` and `encode_document` would use: what is trained is what is used later."""
    chosen = {}
    for column in columns:
        names = ("query",) if column == "query" else ("document", "passage", "corpus")
        name = next((name for name in names if name in model.prompts), model.default_prompt_name)
        chosen[column] = model.prompts.get(name or "") or ""
    return {column: prompt for column, prompt in chosen.items() if prompt}


def train(model: SentenceTransformer, rows: Dataset, options: argparse.Namespace) -> dict[str, Any]:
    """Train in place, against the given negatives and those of the batch; the settings that are not options."""
    loss = MultipleNegativesRankingLoss(model, scale=1 / options.temperature)
    total = math.ceil(len(rows) / options.batch_size) * options.epochs
    bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    # The trainer wants a folder, and prints to stdout.
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(sys.stderr):
        settings = SentenceTransformerTrainingArguments(
            scratch, num_train_epochs=options.epochs, per_device_train_batch_size=options.batch_size,
            max_steps=min(options.limit_steps, total) if options.limit_steps else -1, bf16=bf16, seed=options.seed,
            learning_rate=options.learning_rate, warmup_steps=0.1, batch_sampler="no_duplicates",
            prompts=prompts(model, rows.column_names) or None, logging_steps=10, save_strategy="no", report_to="none",
            disable_tqdm=not sys.stderr.isatty(), dataloader_pin_memory=torch.cuda.is_available(),
        )  # fmt: skip
        trainer = SentenceTransformerTrainer(model=model, args=settings, train_dataset=rows, loss=loss)

        def stop_unless_finite(_module: object, _inputs: object, value: torch.Tensor) -> None:
            if not torch.isfinite(value):
                step = trainer.state.global_step + 1
                raise Refusal(f"the loss is {value.item()} at step {step}; lower --learning-rate")

        loss.register_forward_hook(stop_unless_finite)
        trainer.train()
    chosen = {"warmup": settings.warmup_steps, "batch_sampler": settings.batch_sampler, "bf16": bf16}
    return {"steps": trainer.state.global_step, **chosen, "loss": type(loss).__name__, "scale": loss.scale}


def table(record: dict[str, Any]) -> str:
    """Before and after, as Markdown that can be read as it is."""
    if not record["after"]:
        return "Nothing to evaluate on: the release has no split for it."
    lines = ["| split | metric     | before | after  | change  |", "|-------|------------|--------|--------|---------|"]
    for split, metrics in record["after"].items():
        for name, after in metrics.items():
            before = record["before"].get(split, {}).get(name)
            was, change = ("-", "-") if before is None else (f"{before:.4f}", f"{after - before:+.4f}")
            lines.append(f"| {split:5} | {name:10} | {was:6} | {after:.4f} | {change:7} |")
    return "\n".join(lines)


def card(record: dict[str, Any]) -> str:
    """The model's README.md: where it comes from, and no text of the training set."""
    return (
        "---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\n---\n\n"
        f"# {record['base']} trained on {record['dataset']}\n\n"
        f"- base: `{record['base']}`, revision `{record['base_revision']}`\n"
        f"- data: `{record['dataset']}`, revision `{record['revision']}`, config `{record['config']}`\n\n"
        f"{table(record)}\n\nBy `train_baseline.py`, with the settings in `training.json`.\n"
    )


def check_out(out: Path) -> None:
    """Refuse, before any work, what this script did not write: it would be replaced."""
    holds = {path.name for path in out.iterdir()} if out.is_dir() else {"a file"} if out.exists() else set()
    if holds and holds != {"model", "training.json"}:
        raise Refusal(f"--out {out}: exists and holds more or less than training.json and model; name a new folder")


def publish(model: SentenceTransformer, record: dict[str, Any], out: Path) -> None:
    """Write everything beside `out` and rename it into place: whoever looks sees all of it or nothing."""
    with handling(f"--out {out}", "free some space or name another folder"):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
            fresh = Path(scratch, "fresh")
            model.save_pretrained(str(fresh / "model"), create_model_card=False)
            (fresh / "model" / "README.md").write_text(card(record))
            (fresh / "training.json").write_text(json.dumps(record, indent=2, allow_nan=False) + "\n")
            if out.exists():
                out.rename(Path(scratch, "old"))
            fresh.rename(out)


def run(options: argparse.Namespace) -> str:
    """Load, measure, train, measure, write; the table."""
    out = options.out.resolve()
    check_out(out)
    release = Release(options.dataset, options.revision)
    split, rows = training_rows(release, options.config)
    exam = load_exam(release, split)
    model, base = load_base(options.base, options.max_length)
    sys.stderr.write(f"{len(rows)} rows with {len(rows.column_names) - 2} negatives each, on {model.device}\n")
    if not exam:
        sys.stderr.write(f"nothing to evaluate on: {release.name} has no qrels but those of {split}; only training\n")
    before = evaluate(model, exam, options.batch_size) if exam and not options.skip_before else {}
    decided = train(model, rows, options)
    after = evaluate(model, exam, options.batch_size) if exam else {}
    record = {
        **base, "seed": options.seed, "dataset": release.name, "revision": release.revision, "config": options.config,
        "split": split, "rows": len(rows), "before": before, "after": after,
        "hyperparameters": {**{name: getattr(options, name) for name in NUMBERS}, **decided},
        "device": model.device.type, "versions": {name: version(name) for name in LIBRARIES},
    }  # fmt: skip
    publish(model, record, out)
    return table(record)


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 done, 2 something the user can mend."""
    disable_progress_bars()
    try:
        sys.stdout.write(run(parse(arguments)) + "\n")
        return 0
    except Refusal as refusal:
        problem = " ".join(str(refusal).split())
    except torch.OutOfMemoryError:
        problem = "the device's memory is full; lower --batch-size or --max-length"
    sys.stderr.write(f"train_baseline: {problem}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
