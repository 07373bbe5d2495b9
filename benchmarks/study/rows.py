"""Rows: what one condition on one collection gave, query by query, beside what was built and what it cost."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.results import FOLDER
from syneg_data.durable import replacing, write_json
from syneg_data.judge.arms import ARMS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STUDY = FOLDER / "study"
SCHEMA = 1
Scores = Mapping[tuple[str, int], Mapping[str, float]]  # (arm, seed) -> query_id -> nDCG@10


@dataclass(frozen=True)
class Cell:
    """One condition on one collection, measured.

    Attributes:
        stage: rates, ablations, test or alone.
        ground: name of the collection.
        generator: name of the model that wrote; none if nobody did.
        condition: name.
        student: name of the model that was trained.
        digest: of what was asked for; a cell of another one is measured again.
        date: when it ended, UTC.
        machine: in words.
        split: that was measured.
        made_by: commit (with a `+` if files of it were changed), versions, device, and the student's sha256.
        pairs: that every arm was trained on.
        served: arm -> pairs that it could serve by itself.
        rates: arm -> the learning rate that was taken; None without training.
        tried: arm -> learning rate -> nDCG@10 of the check on dev with the first seed.
        dev: arm -> nDCG@10 on dev, over all seeds.
        seen: queries of the split one of whose positives was trained on.
        ledger: stage -> in, kept, rejected, failed.
        tokens: of the build: in, out, out per accepted draft.
        audit: figure -> value and its interval, of the set as it was built.
        critic: its exam; empty where none judged.
        seconds: `build`, `train` (all runs) and in all, of the call that ended it.
        failure: why nothing was trained; empty if it was.
    """

    stage: str
    ground: str
    generator: str
    condition: str
    student: str
    digest: str
    date: str
    machine: str
    split: str
    made_by: Mapping[str, Any]
    pairs: int
    served: Mapping[str, int]
    rates: Mapping[str, float | None]
    tried: Mapping[str, Mapping[str, float | None]]
    dev: Mapping[str, float]
    seen: Sequence[str]
    ledger: Mapping[str, Any]
    tokens: Mapping[str, Any]
    audit: Mapping[str, Sequence[float | None]]
    critic: Mapping[str, Any]
    seconds: Mapping[str, float]
    failure: str = ""

    @property
    def rival(self) -> str:
        """The mined-only arm that is best on dev over all seeds; of equals the one that comes first in the table."""
        return max((name for name in ARMS if name in self.rates and ARMS[name].mined_only), key=self.dev.__getitem__)

    @property
    def place(self) -> Path:
        """Below the folder of the study, without an ending."""
        student = "" if self.student == "L3" else f"-{self.student}"
        return Path(self.stage) / f"{self.ground}-{self.generator}-{self.condition}{student}"


def write(folder: Path, cell: Cell, scores: Scores) -> None:
    """Both files of a cell; the second one says that it is whole, so that of an earlier cell goes first."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / cell.place
    path.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{path}.json").unlink(missing_ok=True)
    lines = [
        {"arm": arm, "seed": seed, "query_id": query_id, "ndcg_at_10": value}
        for (arm, seed), by_query in scores.items()
        for query_id, value in by_query.items()
    ]
    schema = pa.schema(
        [("arm", pa.string()), ("seed", pa.int32()), ("query_id", pa.string()), ("ndcg_at_10", pa.float32())]
    )
    with replacing(Path(f"{path}.parquet")) as temporary:
        pq.write_table(pa.Table.from_pylist(lines, schema=schema), temporary, compression="zstd")
    write_json(Path(f"{path}.json"), {"schema": SCHEMA, **asdict(cell)})


def write_groups(folder: Path, ground: str, split: str, groups: Mapping[str, int]) -> None:
    """Which queries of a split belong together, because they have a positive in common.

    Args:
        folder: of the rows.
        ground: name of the collection.
        split: of it.
        groups: query_id -> number of its group.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = _groups(folder, ground, split)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"query_id": list(groups), "group": pa.array(groups.values(), pa.int32())})
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_groups(folder: Path, cell: Cell) -> dict[str, int]:
    """The groups of the queries on which a cell was measured.

    Raises:
        ValueError: they were not written.
    """
    import pyarrow.parquet as pq

    path = _groups(folder, cell.ground, cell.split)
    if not path.exists():
        raise ValueError(f"{path.parent.name}/{path.name} is missing; a cell that is measured there writes it")
    return dict(zip(*pq.read_table(path).to_pydict().values(), strict=True))


def _groups(folder: Path, ground: str, split: str) -> Path:
    return folder / "groups" / f"{ground}-{split}.parquet"


def read(path: Path) -> Cell:
    """A cell from its JSON file.

    Raises:
        ValueError: the file is not what the schema says.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.keys() != {"schema", *(one.name for one in fields(Cell))} or content["schema"] != SCHEMA:
        raise ValueError(f"{path.name}: keys {sorted(content)}")
    return Cell(**{name: value for name, value in content.items() if name != "schema"})


def read_scores(folder: Path, cell: Cell) -> Scores:
    """Query by query, as they were written."""
    import pyarrow.parquet as pq

    table = pq.read_table(f"{folder / cell.place}.parquet").to_pydict()
    found: dict[tuple[str, int], dict[str, float]] = {}
    for arm, seed, query_id, value in zip(*table.values(), strict=True):
        found.setdefault((arm, seed), {})[query_id] = value
    return found


def cells(folder: Path, stage: str) -> Iterator[Cell]:
    """All that are whole, by name."""
    for path in sorted((folder / stage).glob("*.json")):
        if path.with_suffix(".parquet").exists():
            yield read(path)


def differences(
    scores: Scores, arm: str, other: str, without: Sequence[str] = ()
) -> tuple[list[str], "NDArray[np.float64]"]:
    """Queries, and nDCG@10 of one arm less the other's, shape (seeds, queries); a model as it is stands for every seed.

    Args:
        scores: of a cell.
        arm: the one.
        other: the other.
        without: queries that are left out.

    Raises:
        ValueError: the two were not trained with the same seeds.
    """
    import numpy as np

    by_arm = {name: {seed: values for (one, seed), values in scores.items() if one == name} for name in (arm, other)}
    longest = max(by_arm.values(), key=len)
    for name, found in by_arm.items():
        if not ARMS[name].trains:
            by_arm[name] = dict.fromkeys(longest, next(iter(found.values())))
    if by_arm[arm].keys() != by_arm[other].keys():
        raise ValueError(f"{arm} has seeds {sorted(by_arm[arm])}, {other} has {sorted(by_arm[other])}")
    out = set(without)
    queries = [query_id for query_id in next(iter(longest.values())) if query_id not in out]
    ours, theirs = by_arm[arm], by_arm[other]
    return queries, np.array([[ours[seed][q] - theirs[seed][q] for q in queries] for seed in sorted(ours)])


def mean(scores: Scores, arm: str, without: Sequence[str] = ()) -> float:
    """nDCG@10 of an arm over seeds and queries."""
    out = set(without)
    values = [v for (name, _), by_query in scores.items() if name == arm for q, v in by_query.items() if q not in out]
    return sum(values) / len(values)
