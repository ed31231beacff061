"""datatrove: its disk reader over the same files, its trafilatura extractor with its defaults, and its JSON lines.

It has readers of WARC and of tables, and none of plain pages: what its base class asks for is one method. The extractor
gives a page up after a second on the clock; here after a minute, for other programs may be running. One task at a time:
with two its pool and its extractor's process wait for each other for ever.
"""

import sys
from pathlib import Path

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.readers.base import BaseDiskReader
from datatrove.pipeline.writers import JsonlWriter


class PageReader(BaseDiskReader):
    """One document a file."""

    name = "pages"

    def read_file(self, filepath):
        with self.data_folder.open(filepath, "rb") as file:
            page = file.read().decode("utf-8", "replace")
        document = self.get_document_from_dict({"text": page}, filepath, 0)
        if document:
            yield document


def main(pages, place):
    steps = [PageReader(str(pages)), Trafilatura(timeout=60), JsonlWriter(str(place / "out"), compression=None)]
    LocalPipelineExecutor(steps, tasks=2, workers=2, logging_dir=str(place / "logs")).run()
    print(sum(file.read_bytes().count(b"\n") for file in sorted((place / "out").iterdir())))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).with_suffix(""))
