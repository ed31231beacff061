"""The README of a release: a dataset card, whose YAML header tells `datasets` and the hub how to read the folder."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import yaml

from curation.release_kinds import KTO, LAYOUTS, PAIRS, READING, SINGLES

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_TAGS = {
    "pretraining": ["pretraining"],
    "instructions": ["sft", "trl"],
    "demonstrations": ["sft", "trl"],
    "preferences": ["dpo", "kto", "trl"],
    "evaluation": ["evaluation"],
}
LICENCES, LANGUAGES = "licences", "languages"
"""The facts that the header tells the hub too: names with commas between them."""


def dataset_card(kind: str, version: str, counts: Mapping[str, int], facts: Mapping[str, str]) -> str:
    """The card's text: header, what a row is, rows by split, and the facts as a table. No time, no place."""
    header = yaml.safe_dump(_header(kind, version, counts, facts), sort_keys=False, allow_unicode=True)
    splits = "".join(f"| {split} | {count} |\n" for split, count in counts.items())
    known = "".join(f"| {_cell(name)} | {_cell(value)} |\n" for name, value in facts.items())
    return (
        f"---\n{header}---\n\n# {kind.capitalize()} {version[:16]}\n\n{READING[kind]}\n\n"
        f"| split | rows |\n| --- | --- |\n{splits}\n"
        + (f"| fact | value |\n| --- | --- |\n{known}\n" if known else "")
        + f"Version `{version}`: SHA-256 over the sorted hashes of the rows. Files are listed in `manifest.json`.\n"
    )


def _header(kind: str, version: str, counts: Mapping[str, int], facts: Mapping[str, str]) -> dict[str, object]:
    rows = sum(counts.values())
    folders = {"default": (PAIRS, LAYOUTS[kind])} | ({"kto": (SINGLES, KTO)} if kind == "preferences" else {})
    told = {"license": _names(facts, LICENCES, str.lower), "language": _names(facts, LANGUAGES, str)}
    return {
        "pretty_name": f"{kind.capitalize()} {version[:16]}",
        **{key: names for key, names in told.items() if names},
        "tags": _TAGS[kind],
        "task_categories": ["text-generation"],
        "size_categories": [next((name for limit, name in _SIZES if rows < limit), "n>1M")],
        "configs": [_config(name, folder, counts) for name, (folder, _) in folders.items()],
        "dataset_info": [
            {"config_name": name, "features": [_feature(field) for field in layout]}
            for name, (_, layout) in folders.items()
        ],
    }


def _names(facts: Mapping[str, str], fact: str, form: type[str] | object) -> list[str]:
    given = [name.strip() for name in facts.get(fact, "").split(",")]
    return [form(name) for name in given if name]  # type: ignore[operator]


def _config(name: str, folder: str, counts: Mapping[str, int]) -> dict[str, object]:
    files = [{"split": split, "path": f"{folder}/{split}-*.parquet"} for split in counts]
    return {"config_name": name, "data_files": files, **({"default": True} if name == "default" else {})}


def _feature(field: pa.Field) -> dict[str, object]:
    if pa.types.is_list(field.type):
        return {"name": field.name, "list": [_feature(part) for part in field.type.value_type]}
    return {"name": field.name, "dtype": str(field.type)}


def _cell(value: str) -> str:
    return " ".join(value.replace("|", "\\|").split())
