import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config import Clinic
from bot.errors import ConfigError
from bot.ui import theme

colours = st.tuples(*[st.integers(0, 255)] * 3)


def of(css: str, name: str) -> list[theme.Colour]:
    """The values of a token, in light and in dark."""
    return [theme._parse(value) for value in re.findall(rf"--{name}: (#[0-9a-f]{{6}});", css)]


def test_contrast_is_that_of_wcag() -> None:
    assert theme.contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert theme.contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.005)
    assert theme.contrast((10, 20, 30), (10, 20, 30)) == 1


@given(colours)
def test_any_colour_is_refused_or_can_be_read(colour: theme.Colour) -> None:
    written = "#{:02x}{:02x}{:02x}".format(*colour)
    if theme.contrast(colour, (255, 255, 255)) < 4.5:
        with pytest.raises(ConfigError, match=written):
            theme.css(Clinic(colour=written))
        return
    css = theme.css(Clinic(colour=written))
    for accent, deep, on in zip(of(css, "accent"), of(css, "accent-deep"), of(css, "on-accent"), strict=True):
        assert theme.contrast(accent, on) >= 4.5
        assert theme.contrast(deep, on) >= 4.5
    light, dark = of(css, "accent")
    assert light == colour
    assert theme.contrast(dark, theme._DARK_SURFACE) >= 4.5
    light_tint, dark_tint = of(css, "tint")
    assert theme.contrast(light_tint, (0x1D, 0x24, 0x26)) >= 4.5
    assert theme.contrast(dark_tint, (0xE8, 0xEC, 0xE9)) >= 4.5


def test_without_a_colour_the_style_is_as_it_is() -> None:
    assert theme.css(Clinic()) == ""


def test_tokens_are_those_of_the_style() -> None:
    style = (Path(theme.__file__).parent / "style.css").read_text(encoding="utf-8")
    for name in re.findall(r"--([a-z-]+):", theme.css(Clinic(colour="#0b5c66"))):
        assert f"  --{name}: " in style


@pytest.mark.parametrize(
    ("name", "kind"), [("a.svg", "image/svg+xml"), ("b.PNG", "image/png"), ("c.jpeg", "image/jpeg")]
)
def test_a_logo_is_read(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert theme.logo(Clinic(logo=str(tmp_path / name))) == theme.Logo(b"x", kind)


def test_what_is_no_logo_is_a_problem_without_a_path(tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("x")
    (tmp_path / "large.png").write_bytes(bytes(2_000_000))
    for name in ("passwd", "missing.png", "large.png"):
        with pytest.raises(ConfigError) as caught:
            theme.logo(Clinic(logo=str(tmp_path / name)))
        assert str(tmp_path) not in caught.value.problem
        assert caught.value.remedy
    assert theme.logo(Clinic()) is None
