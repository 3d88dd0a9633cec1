"""The clinic's own colour and logo: what makes the page look like theirs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.config import Clinic
from bot.errors import ConfigError

_WHITE = (255, 255, 255)
_DARK_SURFACE = (0x1B, 0x22, 0x25)  # --surface of style.css in the dark
_LEAST = 4.5
"""Contrast of text with its ground, WCAG 2.2, 1.4.3."""

_LOGOS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
_MOST_BYTES = 1_000_000

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Logo:
    data: bytes
    media_type: str


def logo(clinic: Clinic) -> Logo | None:
    """The file that `[clinic] logo` names, read once. Raises ConfigError if it is not a picture for a web page."""
    if not clinic.logo:
        return None
    path = Path(clinic.logo)
    media_type = _LOGOS.get(path.suffix.lower())
    if media_type is None:
        raise ConfigError(f"[clinic] logo is {path.name}", remedy=f"Give a file that ends with {', '.join(_LOGOS)}.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the logo {path.name} cannot be read: {error.strerror}", remedy="Check [clinic] logo."
        ) from error
    if len(data) > _MOST_BYTES:
        raise ConfigError(f"the logo {path.name} is too large", remedy="Make it smaller than a megabyte.")
    return Logo(data, media_type)


def css(clinic: Clinic) -> str:
    """The tokens of `style.css` that the clinic's colour replaces; nothing where it has none.

    Raises ConfigError for a colour on which white letters could not be read.
    """
    if not clinic.colour:
        return ""
    accent = _parse(clinic.colour)
    if contrast(accent, _WHITE) < _LEAST:
        raise ConfigError(
            f"[clinic] colour {clinic.colour} is too light for white letters",
            remedy="Give a darker one, with a contrast of 4.5 to 1 against white.",
        )
    lighter = (_mixed(accent, _WHITE, share / 10) for share in range(11))
    light = next(colour for colour in lighter if contrast(colour, _DARK_SURFACE) >= 2 * _LEAST)
    return (
        f":root {{ {_tokens(accent, _mixed(accent, (0, 0, 0), 0.25), _WHITE, _mixed(accent, _WHITE, 0.88))} }}\n"
        "@media (prefers-color-scheme: dark) {\n"
        f"  :root {{ {_tokens(light, _mixed(light, _WHITE, 0.4), (0, 0, 0), _mixed(accent, _DARK_SURFACE, 0.7))} }}\n"
        "}\n"
    )


def contrast(one: Colour, other: Colour) -> float:
    """The contrast ratio of WCAG 2.2, 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Colour) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [part / 255 for part in colour]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _tokens(accent: Colour, deep: Colour, on: Colour, tint: Colour) -> str:
    values = {"accent": accent, "accent-deep": deep, "on-accent": on, "tint": tint}
    return " ".join(f"--{name}: #{''.join(f'{part:02x}' for part in value)};" for name, value in values.items())


def _parse(colour: str) -> Colour:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with so much of `other`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
