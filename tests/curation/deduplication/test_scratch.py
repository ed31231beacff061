import fcntl
import os
import resource
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import records
from curation.deduplication import DeduplicationSettings, find_duplicates_in
from curation.deduplication.scratch import PAGE_WORDS, aligned, scratch

MEMORY = Path("/dev/shm")


@pytest.fixture(params=["disk", "memory", "no way past the cache"])
def place(request, monkeypatch, tmp_path):
    """A folder for temporary files: on disk, in a file system of memory, and on a system that has the cache alone."""
    if request.param == "memory":
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            monkeypatch.setattr(tempfile, "tempdir", folder)
            yield Path(folder)
        return
    if request.param == "no way past the cache":
        monkeypatch.delattr(os, "O_DIRECT", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path


def pages(n, first):
    room = aligned(n * PAGE_WORDS)
    room[:] = np.arange(first, first + len(room), dtype=np.uint32)
    return room


def test_what_is_written_is_read_wherever_it_lies(place):
    with scratch() as file:
        written = {file.write(stretch): stretch for stretch in (pages(3, 7), pages(1, 5), pages(40, 0))}
        for at, stretch in reversed(written.items()):
            into = pages(len(stretch) // PAGE_WORDS, 1)
            file.read(at, into)
            assert (into == stretch).all()
        with pytest.raises(OSError, match=f"a temporary file in {place} ends before"):
            file.read(max(written), pages(41, 0))
    assert list(place.iterdir()) == []


def test_a_file_system_that_refuses_to_go_past_the_cache_is_written_the_usual_way(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    control, asked = fcntl.fcntl, []

    def refusing(file, command, argument=0):
        asked.append(command)
        if command == fcntl.F_SETFL and argument & os.O_DIRECT:
            raise OSError(22, "Invalid argument")
        return control(file, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", refusing)
    with scratch() as file:
        at, into = file.write(pages(2, 3)), pages(2, 0)
        file.read(at, into)
        assert (into == pages(2, 3)).all()
    assert fcntl.F_SETFL in asked


@contextmanager
def room_for(size):
    """No file of this process may become larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_where_there_is_no_room_the_place_and_the_mend_are_told(place):
    with scratch() as file, room_for(64 << 10):
        file.write(pages(8, 0))
        with pytest.raises(
            OSError, match=f"after [0-9,]+ bytes of a temporary file in {place}; make room there"
        ) as told:
            file.write(pages(64, 0))
        assert told.value.errno
    assert list(place.iterdir()) == []


def test_a_run_that_finds_no_room_says_so_and_leaves_nothing_behind(place):
    texts = [" ".join(f"{i}w{j}" for j in range(9_000)) for i in range(20)]
    names = [records.content_digest(text) for text in texts]
    columns = {"doc_id": names, "source": "a", "locator": names, "content_digest": names, "text": texts}
    batches = pl.DataFrame(columns).to_arrow().to_batches(max_chunksize=4)
    with room_for(256 << 10), pytest.raises(OSError, match=f"bytes of a temporary file in {place}; make room there"):
        find_duplicates_in(batches, DeduplicationSettings(), ["a"])
    assert list(place.iterdir()) == []
    assert find_duplicates_in(batches, DeduplicationSettings(), ["a"]).kept == len(texts)
