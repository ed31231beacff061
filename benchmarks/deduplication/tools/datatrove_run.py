"""datatrove: its three steps of MinHash with their defaults (14 buckets of 8, runs of five words by its own tokenizer).

The fourth step, which would write the documents that stay, is left out, in its favour.
"""

import struct
import sys
from pathlib import Path

import numpy as np
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupSignature,
)
from datatrove.pipeline.readers import ParquetReader


def main(corpus, answer):
    config, work = MinhashConfig(), Path("datatrove")
    reader = ParquetReader(str(corpus.parent), glob_pattern=corpus.name, id_key="doc_id", text_key="text")
    steps = [
        ([reader, MinhashDedupSignature(str(work / "signatures"), config)], 1),
        ([MinhashDedupBuckets(str(work / "signatures"), str(work / "buckets"), config=config)], config.num_buckets),
        ([MinhashDedupCluster(str(work / "buckets"), str(work / "removed"), config=config)], 1),
    ]
    for number, (pipeline, tasks) in enumerate(steps):
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=2, logging_dir=str(work / f"logs{number}")).run()
    data = (work / "removed" / "000000.remove").read_bytes()
    removed = np.array(struct.unpack(f"<{len(data) // 4}I", data), np.int64)
    np.savez(answer, removed=removed, kept=np.full(len(removed), -1, np.int64))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
