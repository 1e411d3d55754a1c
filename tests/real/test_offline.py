"""Engines side by side, the real ones."""

import json
import subprocess

from tests.real.gateways import COMMAND, environment


def test_drafts_are_accepted_and_change_no_token() -> None:
    """vLLM and transformers draft alike, say the same, and their first tokens are timed."""
    flags = ("--engine=vllm,transformers", "--method=speculative", "--requests=8")
    done = subprocess.run(
        [COMMAND, "bench", *flags], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout.splitlines()[-1])["runs"]
    assert [run["engine"] for run in runs] == ["vllm", "transformers"]
    for run in runs:
        assert run["completed"] == 8
        assert run["spec_decode_acceptance_rate"] > 50, "percent"
        assert run["spec_decode_acceptance_length"] > 2
        assert 0 < run["median_ttft_ms"] < run["median_e2el_ms"]
        assert 0 < run["median_tpot_ms"] < run["median_itl_ms"], "an output has several tokens"
    assert runs[1]["identical_to_first"] == 8
