"""What a gateway refuses to start with."""

from pathlib import Path

import pytest

from connectors.gateway.config import Config
from connectors.gateway.database import Database


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"host": "0.0.0.0"}, "loopback"),
        ({"host": "192.0.2.1"}, "loopback"),
        ({"host": "example.org"}, "loopback"),
        ({"hub_url": "http://localhost:8101"}, "hub URL"),
        ({"keystore": "keys"}, "keystore"),
        ({"host": "0.0.0.0", "auth": True}, "loopback"),
        ({"base_url": "http://localhost/r4", "auth": True}, "must end in /fhir"),
        ({"port": 70000}, "port"),
        ({"workers": 0}, "at least 1"),
    ],
)
def test_standalone_refuses(settings, sentence):
    """Standalone is for this machine, with --auth too: no other address, no hub, no keys; one sentence says so."""
    with pytest.raises(ValueError, match=sentence) as refused:
        Config.load({}, standalone=True, **settings)
    assert str(refused.value).count(".") == 1


def test_auth_goes_with_standalone_only():
    """A gateway of a hub knows its people otherwise."""
    with pytest.raises(ValueError, match="--auth goes with --standalone"):
        Config.load({}, hub_url="http://localhost:8101", keystore="keys", database="sqlite:///x.db", auth=True)


def test_auth_is_off_unless_asked_for():
    """A plain server asks nobody; the environment can ask for it."""
    assert not Config.load({}, standalone=True).auth
    assert Config.load({"OBHUT_GATEWAY_AUTH": "1"}, standalone=True).auth


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_standalone_takes_loopback(host):
    """Every loopback address is one."""
    assert Config.load({}, standalone=True, host=host).host == host


def test_connected_needs_hub_keystore_and_database():
    """Without --standalone a gateway is one of a hub; two of the three have no option, so their variables are named."""
    with pytest.raises(ValueError, match="HUB_URL, OBHUT_GATEWAY_KEYSTORE and OBHUT_GATEWAY_DATABASE, or --standalone"):
        Config.load({"OBHUT_GATEWAY_HUB_URL": "http://localhost:8101"})


def test_the_command_line_goes_before_the_environment_before_the_file(tmp_path: Path):
    """What is said nearer counts."""
    file = tmp_path / "gateway.toml"
    file.write_text("port = 1\nthreads = 2\nworkers = 3\nstandalone = true\n")
    config = Config.load({"OBHUT_GATEWAY_PORT": "4", "OBHUT_GATEWAY_THREADS": "5"}, file, port=6, workers=None)
    assert (config.port, config.threads, config.workers) == (6, 5, 3)


def test_a_setting_can_be_given_as_a_file(tmp_path: Path):
    """A secret need not stand in the environment."""
    (tmp_path / "url").write_text("sqlite:///x.db\n")
    config = Config.load({"OBHUT_GATEWAY_DATABASE_FILE": str(tmp_path / "url"), "OBHUT_GATEWAY_STANDALONE": "1"})
    assert config.database == "sqlite:///x.db"


@pytest.mark.parametrize(
    ("environment", "file"),
    [
        ({"OBHUT_GATEWAY_PORTT": "1"}, ""),
        ({"OBHUT_GATEWAY_PORT": "one"}, ""),
        ({"OBHUT_GATEWAY_STANDALONE": "yes"}, ""),
        ({"OBHUT_GATEWAY_DATABASE_FILE": "/does/not/exist"}, ""),
        ({}, "portt = 1"),
        ({}, 'port = "1"'),
        ({}, "port = "),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(environment, file, tmp_path: Path):
    """Unknown names and wrong types end the start."""
    path = tmp_path / "gateway.toml"
    path.write_text(file)
    with pytest.raises(ValueError, match=r"^[A-Z].*\.$"):
        Config.load(environment, path, standalone=True)


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite://", "sqlite:///:memory:"])
def test_only_sqlite_files_and_postgresql_are_databases(url):
    """Another database is refused with one sentence."""
    with pytest.raises(ValueError, match="sqlite:///FILE"):
        Database(url)
