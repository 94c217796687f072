"""The guide for agents: its configurations can be used, and its conversation goes as it says."""

import json
import runpy
from pathlib import Path

import pytest

from tests.support.markdown import blocks
from tests.support.subprocesses import CHECKOUT
from wriftai_anyio.cli import main

GUIDE = CHECKOUT / "docs" / "how-to" / "agents.md"


def test_configurations_are_json_and_their_commands_are_known() -> None:
    configurations = [json.loads(block.code) for block in blocks(GUIDE, "json")]
    assert len(configurations) == 3
    for configuration in configurations:
        (servers,) = (configuration[key] for key in ("mcpServers", "servers") if key in configuration)
        for server in servers.values():
            if "url" in server:
                assert server["headers"]["Authorization"].startswith("Bearer ")
                continue
            assert server["env"]["WRIFTAI_ACCESS_TOKEN"]
            with pytest.raises(SystemExit, match="0"):
                main([*server["args"], "--help"])


def test_conversation_goes_as_it_says(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (conversation,) = blocks(GUIDE, "python")
    (printed,) = blocks(GUIDE, "text")
    script = tmp_path / "conversation.py"
    script.write_text(conversation.code)
    runpy.run_path(str(script), run_name="__main__")  # in this process, which has imported the SDK: two seconds
    assert capfd.readouterr() == (printed.code, "")
