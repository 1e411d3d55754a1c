"""`compose.yaml` and `deploy/`: the services find each other, and the dashboard its series."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.metrics import MetricWrapperBase

from gateway import metrics
from gateway.config.load import load
from gateway.config.sources import Options
from tests.gateway.config.files import ROOT


def read_yaml(name: str) -> Any:
    """A YAML file of the repository."""
    return yaml.safe_load((ROOT / name).read_text())


def test_compose():
    """Images are pinned, files exist, ports stay on this machine, and draining has its time."""
    compose = read_yaml("compose.yaml")
    services = compose["services"]
    thinkgate = services["thinkgate"]
    drain = load(Options(), {}, ROOT).config.server.drain_seconds

    assert int(thinkgate["stop_grace_period"].removesuffix("s")) > drain + 10
    assert load(Options(), thinkgate["environment"], ROOT).config.metrics.public
    for service in services.values():
        assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"])
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for source in (volume.split(":")[0] for volume in service["volumes"]):
            if source.startswith("./deploy"):
                assert (ROOT / source).is_file()
            else:
                assert source == "./models" or source in compose["volumes"]
    (job,) = read_yaml("deploy/prometheus.yml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["thinkgate:8000"]}]


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
    names = series((ROOT / "docs/operations.md").read_text())

    assert {
        name for name in names if not any(each.startswith(name) for each in exported())
    } == set()
    assert len(names) > 15


def series(text: str) -> set[str]:
    """The names of series in a text."""
    return set(re.findall(r"\b(?:gateway_|vllm:)\w+", text))


def exported() -> set[str]:
    """The names of our samples, and of all that the installed vLLM could have, by its source."""
    names = set()
    for collector in vars(metrics).values():
        if isinstance(collector, MetricWrapperBase):
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
