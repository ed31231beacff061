"""All signals of quality of the contents of a file, measured by worker processes and committed as a run does it."""

import sys
from pathlib import Path

import polars as pl

from assets.curation import quality
from benchmarks.curation.tools.committing import committed
from curation.quality import QualitySettings
from pipelines.measuring import evidence
from records import silent

if __name__ == "__main__":
    contents = pl.scan_parquet(sys.argv[1])
    measured = evidence(quality, contents, None, {"settings": QualitySettings()}, silent)
    committed(Path(sys.argv[2]), "content_digest", measured, next(measured).schema)
