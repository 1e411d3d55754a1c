"""The wheel: all that is needed to serve, and nothing that is for a checkout alone."""

import os
import subprocess
import sys
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from tests.checkout import ROOT, build_wheel, files

PACKAGES = ("client", "engine", "gateway", "parsers")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel unpacks to."""
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def distribution(wheel: Path) -> PathDistribution:
    """What the wheel says about itself."""
    (info,) = wheel.glob("*.dist-info")
    return PathDistribution(info)


def test_top_level(wheel: Path) -> None:
    """Our four packages can be imported, and neither tools, tests nor anything else."""
    names = {path.name for path in wheel.iterdir() if path.suffix != ".dist-info"}
    assert names == set(PACKAGES)


def test_whole_packages(wheel: Path) -> None:
    """Each file of the packages is inside, the weights of the demo model among them."""
    for package in PACKAGES:
        assert files(wheel / package) == files(ROOT / package)
    for name in ("model", "draft"):
        assert (wheel / f"engine/demo/{name}/model.safetensors").stat().st_size > 2**20


def test_entry_points(distribution: PathDistribution) -> None:
    """It installs one command, what that finds its clients by, and the plugin that vLLM loads."""
    clients = {"chat", "eval", "bench"}
    assert {(each.group, each.name, each.value) for each in distribution.entry_points} == {
        ("console_scripts", "thinkgate", "gateway.__main__:main"),
        ("vllm.general_plugins", "thinkgate", "engine.plugin:register"),
        *(("thinkgate.commands", name, "client.__main__:main") for name in clients),
    }


def test_vllm_is_asked_for_only_by_an_extra(distribution: PathDistribution) -> None:
    """The builds for CPUs and for CUDA have different names, and one must not bring the other."""
    wanted = [each for each in distribution.requires or () if "vllm" in each]
    assert wanted
    assert all("extra ==" in each for each in wanted)


def test_it_runs_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """In an empty folder, what was unpacked has a configuration: the demo model's."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "gateway", "check"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(wheel)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'names = ["demo"]' in done.stdout
