import shutil
import threading
from collections import namedtuple

import pytest

from annotation import environment
from annotation.credentials import FILE, credentials
from annotation.errors import LabelStudioError


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADWATER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_constraints_pin_label_studio_and_name_no_place_to_get_it():
    lines = environment.constraints().splitlines()
    assert any(line.startswith("label-studio==1.23") for line in lines)
    assert not [line for line in lines if "://" in line or line.startswith("-") or "==" not in line]


def test_the_cache_is_where_it_was_told_to_be(cache, monkeypatch, tmp_path):
    assert environment.environment_folder().parent == cache
    monkeypatch.delenv("HEADWATER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert environment.environment_folder().parent == tmp_path / "xdg" / "headwater"


def test_other_constraints_are_another_environment(cache, monkeypatch):
    before = environment.environment_folder()
    monkeypatch.setattr(environment, "constraints", lambda: "label-studio==1.24.0\n")
    assert environment.environment_folder() != before


def test_an_environment_that_cannot_be_made_leaves_nothing_that_looks_made(cache, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(LabelStudioError, match=r"pip could not install label-studio==.*its output is in"):
        environment.ensure_environment()
    assert not environment.environment_folder().exists()
    assert not list(cache.glob("*.building-*"))
    assert "ERROR" in environment.environment_folder().with_suffix(".log").read_text()


def test_a_full_disk_is_named_before_anything_is_begun(cache, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 10**12, 10**8))
    with pytest.raises(LabelStudioError, match=r"needs 2 GB.*0\.1 GB are free.*HEADWATER_CACHE"):
        environment.ensure_environment()


def test_label_studio_sees_little_of_our_environment(monkeypatch):
    for name in (
        "HOST",
        "PORT",
        "DEBUG",
        "USERNAME",
        "PASSWORD",
        "DJANGO_DB",
        "LABEL_STUDIO_PASSWORD",
        "AWS_SECRET_ACCESS_KEY",
    ):
        monkeypatch.setenv(name, "leaked")
    told = environment.variables({"PASSWORD": "ours"})
    assert "leaked" not in told.values()
    assert told["LABEL_STUDIO_PASSWORD"] == "ours" and told["LABEL_STUDIO_COLLECT_ANALYTICS"] == "false"


def test_credentials_are_the_owner_s_alone_and_stay_the_same(tmp_path):
    drawn = credentials(tmp_path / "secrets")
    path = tmp_path / "secrets" / FILE
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    assert credentials(tmp_path / "secrets") == drawn
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == [FILE]


def test_credentials_do_not_show_in_logs(tmp_path):
    drawn = credentials(tmp_path)
    for hidden in (drawn.password, drawn.token, drawn.key):
        assert hidden not in repr(drawn)


def test_each_workspace_draws_its_own(tmp_path):
    first, second = credentials(tmp_path / "one"), credentials(tmp_path / "two")
    assert first.password != second.password and first.workspace != second.workspace and first.key != second.key


def test_many_that_ask_at_once_agree_on_one_set(tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(credentials(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and all(each == found[0] for each in found)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"email": "only"}'])
def test_a_spoilt_file_of_credentials_says_what_to_do(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(LabelStudioError, match="put it back from a copy, or delete it"):
        credentials(tmp_path)
