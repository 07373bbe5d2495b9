"""Tables to Parquet: the same rows give the same bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from syneg_data.durable import replacing

if TYPE_CHECKING:
    import pyarrow as pa


def write_configs(folder: Path, tables: Mapping[str, Mapping[str, "pa.Table"]]) -> dict[str, int]:
    """Write each table (by config, then split) as `<config>/<split>-00000-of-00001.parquet`.

    Returns:
        Rows of each file by its path in `folder`.
    """
    import pyarrow.parquet as pq

    rows = {}
    for config, splits in tables.items():
        for split, table in splits.items():
            name = f"{config}/{split}-00000-of-00001.parquet"
            with replacing(folder / name) as temporary:
                # Without Arrow's own schema in the footer: what a reader needs is in Parquet's types.
                pq.write_table(table, temporary, compression="zstd", row_group_size=10_000, store_schema=False)
            rows[name] = table.num_rows
    return rows
