"""The documentation says what the code does."""

import dataclasses
import re
from pathlib import Path

import pytest
from conftest import CORPUS, ROOT

from bot import cli
from bot.bot import Bot
from bot.config import Config

README = (ROOT / "README.md").read_text(encoding="utf-8")
INTERFACES = (ROOT / "docs" / "interfaces.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    [action] = [action for action in cli._parser()._actions if action.choices]
    assert action.choices
    return list(action.choices)


def test_every_command_is_documented() -> None:
    for command in commands():
        assert f"`bot {command}" in README, command
        assert f"`bot {command}" in INTERFACES, command


def test_only_commands_that_exist_are_documented() -> None:
    for text in (README, INTERFACES):
        assert set(re.findall(r"(?:`|^|\$ )bot ([a-z]+)\b", re.sub(r"(?s)```python.*?```", "", text))) <= {
            *commands(),
            "import",
        }


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for section, values in dataclasses.asdict(Config()).items():
        assert f"`[{section}]`" in text
        for name, default in values.items():
            assert f"`{name}`" in text, name
            shown = (
                str(default).lower()
                if isinstance(default, bool)
                else f'"{default}"'
                if isinstance(default, str)
                else str(default)
            )
            assert f"`{shown}`" in text, f"{name} = {shown}"


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"(?s)```{language}\n(.*?)```", text)


@pytest.mark.parametrize(
    "block", [block for block in blocks(README + INTERFACES, "python") if "gradio_client" not in block]
)
def test_the_examples_run(block: str, bot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus").symlink_to(CORPUS)
    assert cli.main(["index"]) == 0
    exec(compile(block, "example", "exec"), {})


def test_the_answer_in_the_readme_is_the_real_one(bot: Bot, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    [(question, shown)] = re.findall(r'(?s)\$ bot ask "(.*?)"\n(.*?)```', README)
    assert cli.main(["index", "--corpus", str(CORPUS), "--index", str(tmp_path)]) == 0
    capsys.readouterr()
    assert cli.main(["ask", question, "--index", str(tmp_path)]) == 0
    assert capsys.readouterr().out == shown


def test_every_module_is_in_the_picture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.name for path in (ROOT / "bot").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    for room in sorted(rooms - {"__init__.py"}):
        assert f"`bot/{room}`" in text or f"`bot/{room}/`" in text, room


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
