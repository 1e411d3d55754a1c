"""`compose.yaml` and `deploy/`: the services find each other, and the dashboard its series."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from engine.histogram import TokenHistogram
from gateway import metrics
from gateway.config.load import load
from gateway.config.sources import Options
from tests.checkout import ROOT


def read_yaml(name: str) -> Any:
    """A YAML file of the repository."""
    return yaml.safe_load((ROOT / name).read_text())


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """What runs, by name, which is also the name by which the others reach it."""
    found: dict[str, Any] = read_yaml("compose.yaml")["services"]
    return found


def test_settings(services):
    """The environment is settings that there are, and the metrics page is open to Prometheus."""
    config = load(Options(), services["thinkgate"]["environment"], ROOT).config

    assert config.metrics.public


def test_draining_has_its_time(services):
    """Docker kills no sooner than the gateway itself gives up on running requests."""
    drain = load(Options(), {}, ROOT).config.server.drain_seconds

    assert int(services["thinkgate"]["stop_grace_period"].removesuffix("s")) > drain + 10


def test_nobody_else_reaches_it(services):
    """Every port is published on this machine's loopback only."""
    ports = [port for service in services.values() for port in service["ports"]]

    assert len(ports) == len(services)
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_what_is_built_and_pulled(services):
    """Images that are pulled are pinned, and the one that is built takes the arguments it gets."""
    built, pulled = services["thinkgate"], [services[name] for name in ("prometheus", "grafana")]
    arguments = re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert built["build"]["args"].keys() <= set(arguments)
    assert all(re.search(r":v?\d+\.\d+\.\d+$", service["image"]) for service in pulled)


def test_volumes(services):
    """What is mounted from `deploy/` exists: Docker would make a folder of it."""
    mounts = [volume for service in services.values() for volume in service["volumes"]]
    sources = [mount.split(":")[0] for mount in mounts]
    named = read_yaml("compose.yaml")["volumes"]

    assert all((ROOT / source).is_file() for source in sources if source.startswith("./deploy"))
    assert {each for each in sources if not each.startswith("./deploy")} == {"./models", *named}


def test_services_find_each_other(services):
    """Prometheus reads thinkgate where it listens, and Grafana reads Prometheus."""
    (job,) = read_yaml("deploy/prometheus.yml")["scrape_configs"]
    (scraped,) = job["static_configs"]
    (source,) = read_yaml("deploy/grafana/datasource.yml")["datasources"]
    port = load(Options(), {}, ROOT).config.server.port

    assert scraped["targets"] == [f"thinkgate:{port}"]
    assert source["url"] == f"http://prometheus:{services['prometheus']['ports'][0].split(':')[-1]}"


def test_dashboard():
    """Grafana finds the dashboard where compose puts it, and every series on it is exported."""
    mounts = read_yaml("compose.yaml")["services"]["grafana"]["volumes"]
    (place,) = [mount.split(":")[1] for mount in mounts if ".json:" in mount]
    (provider,) = read_yaml("deploy/grafana/dashboards.yml")["providers"]
    (source,) = read_yaml("deploy/grafana/datasource.yml")["datasources"]
    panels = json.loads((ROOT / "deploy/grafana/thinkgate.json").read_text())["panels"]
    used = {
        name for panel in panels for target in panel["targets"] for name in series(target["expr"])
    }

    assert Path(place).parent == Path(provider["options"]["path"])
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert used - exported() == set()
    assert len(used) > 20


def test_operations():
    """The docs name only series that there are, samples or families."""
    named = series((ROOT / "docs/operations.md").read_text())
    known = exported()
    families = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in known}

    assert named - known - families == set()
    assert len(named) > 15


def series(text: str) -> set[str]:
    """The names of series in a text."""
    return set(re.findall(r"\b(?:gateway_|vllm:)\w+", text))


def exported() -> set[str]:
    """The names of our samples, and of all that the installed vLLM could have, by its source."""
    names = set()
    for collector in vars(metrics).values():
        if isinstance(collector, MetricWrapperBase | TokenHistogram):
            (family,) = collector.describe()
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
            names |= {family.name + suffix for suffix in suffixes.get(family.type, [""])}
    spec = find_spec("vllm")
    assert spec
    folder = Path(str(spec.origin)).parent / "v1"
    for path in (folder / "metrics/loggers.py", folder / "spec_decode/metrics.py"):
        for name in re.findall(r'"(vllm:\w+)"', path.read_text()):
            names |= {name + suffix for suffix in ("", "_total", "_bucket", "_sum", "_count")}
    return names
