"""The YAML on top of a card, as the Hub reads it."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from syneg_data.publishing.markdown import plain

_SIZES = (
    (10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B"), (10**11, "10B<n<100B"), (10**12, "100B<n<1T"),
)  # fmt: skip


class _Dumper(yaml.SafeDumper):
    """Without anchors, which some readers of front matter do not know."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401
        return True


def front_matter(
    title: str,
    publishing: Mapping[str, Any],
    written: bool,
    split: str,
    rows: Mapping[str, Mapping[str, int]],
    features: Sequence[Mapping[str, Any]],
) -> str:
    """The lines between the two rows of dashes.

    Args:
        title: as written; it may hold anything.
        publishing: the recipe's section.
        written: whether a language model wrote texts of the set.
        split: the split that is trained on.
        rows: config -> split -> rows.
        features: `dataset_info` entries.
    """
    languages = list(publishing["language"])
    license: dict[str, str] = {"license": publishing["license"]}
    if publishing["license"] == "other":
        license |= {key: publishing[key] for key in ("license_name", "license_link")}
    front = {
        "pretty_name": title,
        "language": languages,
        **license,
        "task_categories": ["text-retrieval", "sentence-similarity"],
        "task_ids": ["document-retrieval"],
        "annotations_creators": ["machine-generated"],
        "language_creators": ["found", "machine-generated"] if written else ["found"],
        "multilinguality": ["monolingual" if len(languages) == 1 else "multilingual"],
        "size_categories": [size_category(rows["triplet"][split])],
        "source_datasets": [f"extended|{name}" for name in publishing["source_datasets"]] or ["original"],
        "tags": [
            "sentence-transformers",
            *(["synthetic"] if written else []),
            "hard-negatives",
            "dense-retrieval",
            "information-retrieval",
            "text",
        ],
        "configs": [
            {
                "config_name": name,
                "data_files": [{"split": part, "path": f"{name}/{part}-*.parquet"} for part in splits],
                **({"default": True} if name == "triplet" else {}),
            }
            for name, splits in rows.items()
        ],
        "dataset_info": list(features),
    }
    # Marks that turn the direction of writing around would show another title than there is; escaped they do not.
    readable = plain(title) == " ".join(title.split())
    return as_yaml(front, readable)


def as_yaml(front: Mapping[str, Any], readable: bool = True) -> str:
    """Front matter as text; what is not `readable` is escaped."""
    return str(yaml.dump(front, Dumper=_Dumper, sort_keys=False, allow_unicode=readable, width=1000))


def size_category(rows: int) -> str:
    """The Hub's word for so many rows."""
    return next((name for bound, name in _SIZES if rows < bound), "n>1T")
