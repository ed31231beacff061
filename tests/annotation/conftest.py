"""One real Label Studio server for all tests of annotation; each test works in a workspace of its own on it."""

from collections.abc import Iterator

import pytest

from annotation import client as api
from annotation.client import Client
from annotation.credentials import Credentials, credentials
from annotation.server import Server
from tests.label_studio import running_label_studio


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_label_studio(tmp_path_factory.mktemp("workspace") / "label-studio") as server:
        yield server


@pytest.fixture(scope="session")
def client(studio: Server) -> Iterator[Client]:
    with api.connect(studio.url, studio.token) as client:
        yield client


@pytest.fixture
def secret(tmp_path) -> Credentials:
    """The secrets of a new workspace: its projects are apart from those of other tests."""
    return credentials(tmp_path / "secrets")
