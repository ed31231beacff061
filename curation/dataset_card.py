"""The README of a release: a dataset card, whose YAML header tells `datasets` and the hub how to read the folder."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import yaml

_READING = {
    "instructions": "Each row is a `prompt` (chat turns) and its `completion` (the assistant's turn): what TRL's SFTTrainer reads.",
    "preferences": "Each row is a `prompt` with the answer that people `chosen` and the one they `rejected`: what TRL's DPOTrainer reads.",
}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def dataset_card(
    kind: str, version: str, counts: Mapping[str, int], layout: pa.Schema, facts: Mapping[str, str]
) -> str:
    """The card's text: header, what a row is, rows by split, and the facts as a table. No time, no place."""
    header = yaml.safe_dump(_header(counts, layout), sort_keys=False)
    splits = "".join(f"| {split} | {count} |\n" for split, count in counts.items())
    known = "".join(f"| {_cell(name)} | {_cell(value)} |\n" for name, value in facts.items())
    return (
        f"---\n{header}---\n\n# {kind.capitalize()} {version[:16]}\n\n{_READING[kind]}\n\n"
        f"| split | rows |\n| --- | --- |\n{splits}\n"
        + (f"| fact | value |\n| --- | --- |\n{known}\n" if known else "")
        + f"Version `{version}`: SHA-256 over the sorted hashes of the rows. Files are listed in `manifest.json`.\n"
    )


def _header(counts: Mapping[str, int], layout: pa.Schema) -> dict[str, object]:
    rows = sum(counts.values())
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in counts]
    return {
        "task_categories": ["text-generation"],
        "size_categories": [next((name for limit, name in _SIZES if rows < limit), "n>1M")],
        "configs": [{"config_name": "default", "data_files": files}],
        "dataset_info": {"features": [_feature(field) for field in layout]},
    }


def _feature(field: pa.Field) -> dict[str, object]:
    if pa.types.is_list(field.type):
        return {"name": field.name, "list": [_feature(part) for part in field.type.value_type]}
    return {"name": field.name, "dtype": str(field.type)}


def _cell(value: str) -> str:
    return " ".join(value.replace("|", "\\|").split())
