"""Tables to Parquet: the same rows give the same bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from syneg_data.durable import replacing

if TYPE_CHECKING:
    import pyarrow as pa


def write_configs(folder: Path, tables: Mapping[str, "pa.Table"], split: str) -> dict[str, int]:
    """Write each table as `<config>/<split>-00000-of-00001.parquet`; rows of each file by relative path."""
    import pyarrow.parquet as pq

    rows = {}
    for config, table in tables.items():
        name = f"{config}/{split}-00000-of-00001.parquet"
        with replacing(folder / name) as temporary:
            # Without Arrow's own schema in the footer: what a reader needs is in Parquet's types.
            pq.write_table(table, temporary, compression="zstd", row_group_size=10_000, store_schema=False)
        rows[name] = table.num_rows
    return rows
