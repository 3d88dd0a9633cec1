from pathlib import Path

import pytest

from bot.config import Config, ModelChoice, PassageSize, Ranking
from bot.errors import ConfigError


def load(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> Config:
    path = tmp_path / "bot.toml"
    path.write_text(text, encoding="utf-8")
    return Config.load(path, environment or {})


def test_reads_a_file_and_the_environment_over_it(tmp_path: Path) -> None:
    text = '[clinic]\nname = "St. Anne"\nphone = "1"\n[ranking]\nlexical_weight = 1\n'
    config = load(tmp_path, text, {"PLAINQUOTE_CLINIC_PHONE": "2", "PLAINQUOTE_CORPUS_VERIFY_SOURCES": "false"})
    assert (config.clinic.name, config.clinic.phone) == ("St. Anne", "2")
    assert config.ranking.lexical_weight == 1.0
    assert config.corpus.verify_sources is False


def test_without_a_file_it_has_its_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Config.load(environment={}) == Config()


def test_the_shipped_file_is_valid() -> None:
    assert Config.load(Path(__file__).parent.parent / "bot.toml", {}).clinic.name == "our clinic"


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("[clinc]\n", "unknown section [clinc]", "Did you mean clinic?"),
        ("[clinic]\nfone = 'x'\n", "unknown setting fone in [clinic]", "Did you mean phone?"),
        ("[clinic]\nphone = 5\n", "[clinic] phone is 5", "Give a text"),
        ("[answer]\nquotes = true\n", "[answer] quotes is True", "a whole number"),
        ("[answer]\nquotes = 99\n", "[answer] quotes is out of range", "between 1 and 10"),
        ("[numbers]\nregion = 'Mars'\n", "[numbers] region is out of range", "US, UK, EU, AU"),
        ("[corpus]\nocr = 'eng; rm'\n", "[corpus] ocr is out of range", "eng+deu"),
        ("[answer]\noverdue = 'hide'\n", "[answer] overdue is out of range", "notice or withhold"),
        ("[answer]\nmost_wrong = 3\n", "[answer] most_wrong is out of range", "1, 2, 5, 10 or 20"),
        ("[answer]\nanswer_above = nan\n", "[answer] answer_above is out of range", "between 0 and 1"),
        ("[web]\nport = 99999\n", "[web] port is out of range", "65535"),
        ("clinic = 3\n", "clinic is not a section", "[clinic]"),
        ("[clinic\n", "is not valid TOML", "Mend"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(tmp_path: Path, text: str, problem: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, {"PLAINQUOTE_CLINIC_NAME": "x"})
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("name", ["PLAINQUOTE_CLINIC", "PLAINQUOTE_CLINIC_FONE", "PLAINQUOTE_WEB_PORT"])
def test_a_mistake_in_the_environment_is_named(name: str) -> None:
    with pytest.raises(ConfigError):
        Config.from_mapping({}) and Config.load(Path(__file__).parent.parent / "bot.toml", {name: "x"})


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no configuration file"):
        Config.load(tmp_path / "no.toml", {})


def test_the_fingerprint_changes_with_what_shapes_an_index_and_with_nothing_else() -> None:
    base = Config().fingerprint()
    assert Config(passages=PassageSize(max_tokens=100)).fingerprint() != base
    assert Config(model=ModelChoice(query_prompt="query: ")).fingerprint() != base
    assert Config(ranking=Ranking(k1=1.3)).fingerprint() != base
    assert Config(ranking=Ranking(lexical_weight=0.2)).fingerprint() == base
    assert Config(model=ModelChoice(batch_size=1, device="cuda")).fingerprint() == base
