"""WARC: what a crawler was given, each response read as the file that it is.

A response that is no page (a status other than 200) stands among the failures with its status, and so does a picture;
requests, and records that speak of the crawl, are no raw data and are passed over. The date of a crawl is no date of the
content, so it is kept with the address in the metadata.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from curation.formats.extracts import Extract, Item, ReadingSettings, Unreadable, below
from curation.formats.metadata import as_json

if TYPE_CHECKING:
    from fastwarc.warc import WarcRecord

WARC = "application/warc"
_MEND = "it is cut short or damaged: fetch it again"


def read_warc(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """A document per response or resource that can be read, at `record=` and its number in the file from 1."""
    return warc_items(io.BytesIO(data), media_type, settings)


def warc_items(stream: BinaryIO, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The same of a file of any size, of which one record is held; it may be compressed, record by record."""
    from fastwarc.warc import WarcRecordType

    wanted = (WarcRecordType.response, WarcRecordType.resource, WarcRecordType.conversion)
    number = 0
    try:
        for number, record in enumerate(_records(stream), 1):
            if record.record_type in wanted and not _address(record).startswith("metadata:"):
                yield from below(f"record={number}", "/", partial(_record, record, settings), settings)
    except ConnectionError:
        raise
    except (OSError, ValueError) as error:
        raise Unreadable("malformed WARC", f"after record {number}: {_MEND}") from error
    if not number:
        raise Unreadable("malformed WARC", _MEND)


def payload_of(data: bytes, number: int) -> tuple[bytes, str]:
    """What the server gave, without its headers, and the path that it was asked for. Raises LookupError for no record."""
    record = next(islice(_records(io.BytesIO(data)), number - 1, None), None)
    if record is None:
        raise LookupError(f"the file has no record {number}")
    return record.reader.read(), urlsplit(_address(record)).path


def _records(stream: BinaryIO) -> Iterator[WarcRecord]:
    from fastwarc.warc import ArchiveIterator

    return iter(ArchiveIterator(stream, parse_http=True, auto_decode="all", verify_digests=False))


def _record(record: WarcRecord, settings: ReadingSettings) -> Iterator[Item]:
    from curation.formats import read_items

    status = record.http_headers.status_code if record.is_http and record.http_headers is not None else 200
    if status != 200:
        raise Unreadable(f"HTTP status {status}", "the server gave no page: crawl it again, or exclude it")
    data = record.reader.read(settings.max_bytes + 1)
    if len(data) > settings.max_bytes:
        raise Unreadable("over the limit", f"it unfolds to more than reading.max_bytes ({settings.max_bytes})")
    address = _address(record)
    crawled = {"url": address, "crawled": record.headers.get("WARC-Date")}
    for item in read_items(data, urlsplit(address).path, settings):
        yield replace(item, metadata=_joined(item.metadata, crawled)) if isinstance(item, Extract) else item


def _address(record: WarcRecord) -> str:
    """What was asked for; some crawlers write it in angle brackets."""
    return (record.headers.get("WARC-Target-URI") or "").strip("<>")


def _joined(metadata: str | None, more: dict[str, str | None]) -> str | None:
    """What the page says of itself, and what the crawler says of it; the page's own word counts first."""
    return as_json(more | (json.loads(metadata) if metadata else {}))
