"""Data sets of the Hugging Face Hub, by id and revision: judged collections as BEIR and MTEB keep them, and pairs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from syneg_data.collection import Collection
from syneg_data.errors import InputError
from syneg_data.licenses import License
from syneg_data.lines import shown
from syneg_data.snapshots import Snapshot, fetch
from syneg_data.sources import layouts
from syneg_data.sources.judged import Judged
from syneg_data.sources.pairing import Columns, Content, Paired
from syneg_data.spec import RUNTIME, Spec

_ID = r"^\w[\w.-]*(/\w[\w.-]*)?$"

Split = Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")]


class HubPairs(Spec):
    """Where a repository keeps pairs of query and relevant text, one in a row; their texts are the corpus."""

    files: str = Field(description="files of the repository, as a pattern such as pair/train-*.parquet", min_length=1)
    query: str = Field(default="query", description="column with the query")
    positive: str = Field(default="positive", description="column with the text that is relevant to it")
    title: str | None = Field(default=None, description="column with the title of that text; left out: none")
    query_id: str | None = Field(default=None, description="column with the query's id; left out: made from the query")
    positive_id: str | None = Field(
        default=None, description="column with the text's id; left out: made from title and text"
    )
    test: float = Field(default=0.0, ge=0.0, lt=1.0, description="share of the queries set aside as split `test`")


class Hub(Spec):
    """A data set on the Hugging Face Hub: corpus, queries and judgements as BEIR and MTEB lay them out, or pairs."""

    kind: Literal["hub"] = "hub"
    # What comes of these three enters fingerprints by content; the lock names the commits.
    id: Annotated[str, RUNTIME] = Field(description="repository of the data set, `owner/name`", pattern=_ID)
    revision: Annotated[str, RUNTIME] = Field(
        description="commit, tag or branch; resolved to a commit, which the lock records", min_length=1
    )
    qrels: Annotated[str | None, RUNTIME] = Field(
        default=None,
        description="repository with the judgements, `ID@REVISION`, as BEIR has it; left out: they are in `id`",
        pattern=_ID[:-1] + "@.+$",
    )
    pairs: HubPairs | None = Field(default=None, description="read pairs; left out: corpus, queries and judgements")
    split: Split = Field(default="train", description="which split to build on")
    splits: dict[Split, Split] | None = Field(
        default=None,
        description="splits that are to have another name here: {train: dev} makes train of what is dev there",
    )
    dev: float = Field(default=0.0, ge=0.0, lt=1.0, description="share of the train queries set aside as split `dev`")
    evaluation: tuple[Split, ...] | None = Field(
        default=None, description="splits to evaluate on; left out: dev and test, where there are any"
    )
    dangling: Literal["refuse", "drop"] = Field(
        default="refuse", description="judgements of a query or document that is not there: an error, or counted"
    )
    license: License = Field(description="licence of corpus, queries and judgements")

    @model_validator(mode="after")
    def _fitting(self) -> "Hub":
        """What belongs to judged collections does not stand beside pairs; a split has one name.

        Raises:
            PydanticCustomError: it does, or has not.
        """
        if self.qrels is not None and self.qrels.partition("@")[0] == self.id:
            raise PydanticCustomError("own_qrels", "qrels is the repository itself; leave it out")
        if self.splits and len(set(self.splits.values())) < len(self.splits):
            raise PydanticCustomError("split_twice", "splits gives one split two names; keep one of them")
        if self.pairs is None:
            return self
        for name in ("qrels", "splits", "evaluation"):
            if getattr(self, name):
                raise PydanticCustomError("not_pairs", "{name} does not go with pairs; remove it", {"name": name})
        if self.pairs.query == self.pairs.positive:
            name = self.pairs.query
            raise PydanticCustomError(
                "one_column", "query and positive are one column, {name}; name two", {"name": name}
            )
        if self.dev + self.pairs.test >= 1:
            raise PydanticCustomError("shares", "dev and test take all queries; make them smaller")
        if self.split != "train" and not self._shares().get(self.split):
            raise PydanticCustomError(
                "no_part", "there is no {split}: pairs have train, and dev and test by shares", {"split": self.split}
            )
        return self

    def load(self, seed: int, limit: int | None = None) -> Collection:
        """Fetch and read the split; with `limit`, only the queries whose sha256 of `seed:query_id` is smallest.

        Raises:
            InputError: there is no such repository or revision, or a file is not what its layout says.
            UnavailableError: the Hub cannot be reached, and `revision` is no commit that the cache holds.
        """
        there = self._fetch({})
        with _shown_by_name(there):
            if self.pairs is not None:
                collection = self._paired(there, self.pairs).load(self._content(there), self.split, seed, limit)
            else:
                collection = self._judged(there).load(self.split, seed, limit)
        return replace(collection, origin={name: snapshot.commit for name, snapshot in there.items()})

    def held_out(self, collection: Collection, seed: int) -> dict[str, Collection]:
        """The splits to evaluate on, whole, at the commits and over the documents of `collection`, which `load` read.

        Raises:
            InputError: as `load`, or `evaluation` names the split to build on.
            UnavailableError: as `load`.
        """
        there = self._fetch(collection.origin)
        with _shown_by_name(there):
            if self.pairs is None:
                return self._judged(there).held_out(self.split, self.evaluation, collection, seed)
            paired = self._paired(there, self.pairs)
            content = self._content(there) if paired.set_aside(self.split) else Content()
            return paired.held_out(content, self.split, seed)

    def _fetch(self, commits: Mapping[str, str]) -> dict[str, Snapshot]:
        """The files that may be needed of each repository; cards first, since they may say which those are.

        No code of a repository is fetched, let alone run: a loading script is not among the files that are asked for.
        """
        wanted = {self.id: self.revision}
        judged = self.id
        if self.qrels is not None:
            judged, _, wanted[judged] = self.qrels.partition("@")
        there = {}
        for name, revision in wanted.items():
            card = fetch(name, commits.get(name, revision), repo_type="dataset", allow_patterns=["README.md"])
            configs = layouts.configs_of(card.path)
            patterns = ["README.md"]
            if self.pairs is not None:
                patterns += layouts.ending_in(layouts.PAIRS, [self.pairs.files])
            if self.pairs is None and name == self.id:
                patterns += [*layouts.text_patterns(configs, "corpus"), *layouts.text_patterns(configs, "queries")]
            if self.pairs is None and name == judged:
                splits = {"train", "dev", "validation", "test", self.split, *(self.evaluation or ())}
                patterns += layouts.judgement_patterns(configs, splits | set((self.splits or {}).values()))
            there[name] = fetch(name, card.commit, repo_type="dataset", allow_patterns=patterns)
        return there

    def _judged(self, there: Mapping[str, Snapshot]) -> Judged:
        main = there[self.id].path
        configs = layouts.configs_of(main)
        texts = {name: layouts.text_files(main, configs, name) for name in ("corpus", "queries")}
        for name, files in texts.items():
            if not files:
                raise InputError(
                    f"{shown(main)}: no {name}: neither a config of that name on its card, nor {name}.jsonl, nor a "
                    f"folder {name}; look at its files, and name another data set, or `pairs` if it holds pairs"
                )
        folder = there[self.qrels.partition("@")[0]].path if self.qrels is not None else main
        return Judged(
            kind="hub",
            corpus=texts["corpus"],
            queries=texts["queries"],
            qrels=self._renamed(layouts.judgement_files(folder, layouts.configs_of(folder)), shown(folder)),
            place=lambda split: f"{shown(folder)}: judgements of {split}",
            dev=self.dev,
            drop=self.dangling == "drop",
        )

    def _renamed(self, qrels: dict[str, list[Path]], label: str) -> dict[str, list[Path]]:
        """The splits under the names that they have here; what the Hub calls validation is dev, where there is none."""
        theirs = {name: name for name in qrels}
        if "dev" not in theirs and "validation" in theirs:
            theirs["dev"] = theirs.pop("validation")
        found = {}
        for ours, name in (self.splits or {}).items():
            name = "dev" if name == "validation" and name not in theirs else name
            if name not in theirs:
                raise InputError(
                    f"{label}: judgements of {name}: not there, and source.splits names it; splits there: "
                    f"{', '.join(sorted(theirs)) or 'none'}"
                )
            found[ours] = qrels[theirs.pop(name)]
        return {**{ours: qrels[name] for ours, name in theirs.items()}, **found}

    def _shares(self) -> dict[str, float]:
        return {"dev": self.dev, "test": self.pairs.test if self.pairs is not None else 0.0}

    def _paired(self, there: Mapping[str, Snapshot], pairs: HubPairs) -> Paired:
        names = (pairs.query, pairs.positive, pairs.title, pairs.query_id, pairs.positive_id)
        return Paired("hub", there[self.id].path / pairs.files, self._shares(), tuple(map(str, names)))

    def _content(self, there: Mapping[str, Snapshot]) -> Content:
        assert self.pairs is not None, "is asked of pairs alone"
        folder = there[self.id].path
        files = layouts.pair_files(folder, self.pairs.files)
        if not files:
            raise InputError(
                f"{shown(folder)}: no file {self.pairs.files} that ends in {', '.join(layouts.PAIRS)}; look at "
                "its files, and correct source.pairs.files"
            )
        content = Content()
        pairs = self.pairs
        content.read_pairs(files, Columns(pairs.query, pairs.positive, pairs.title, pairs.query_id, pairs.positive_id))
        return content


@contextmanager
def _shown_by_name(there: Mapping[str, Snapshot]) -> Iterator[None]:
    """Have messages name repository and commit in place of the folder in which the Hub's cache keeps them.

    Raises:
        InputError: the one that was raised within.
    """
    try:
        yield
    except InputError as error:
        text = str(error)
        for name, snapshot in there.items():
            text = text.replace(shown(snapshot.path), f"{name}@{snapshot.commit[:12]}")
        raise InputError(text) from error
