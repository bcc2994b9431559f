"""Colours as the browser sees them: tokens resolved for a theme, mixed, laid over each other, compared (WCAG 2.2)."""

import math
import re
from typing import NamedTuple


class Colour(NamedTuple):
    """Gamma-encoded sRGB, each 0–1, and its alpha."""

    red: float
    green: float
    blue: float
    alpha: float = 1.0


def tokens(css: str) -> dict[str, str]:
    """Every custom property of a stylesheet, the first definition of each."""
    found: dict[str, str] = {}
    for name, value in re.findall(r"(--[\w-]+):\s*([^;]+);", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)):
        found.setdefault(name, value.strip())
    return found


def resolve(name: str, *, theme: str, known: dict[str, str]) -> Colour:
    """The colour of a custom property in "light" or "dark"."""
    value = known[name]
    while not value.startswith("oklch("):
        if match := re.fullmatch(r"light-dark\((.+)\)", value):
            value = _arguments(match[1])[0 if theme == "light" else 1]
        elif match := re.fullmatch(r"var\((--[\w-]+)\)", value):
            value = known[match[1]]
        else:
            raise ValueError(f"{name}: {value} is no colour this test can read")
    return _oklch(value)


def tinted(colour: Colour, *, share: float, over: Colour) -> Colour:
    """`color-mix(in oklab, colour share, transparent)` lying on an opaque ground."""
    return Colour(*(above * share + below * (1 - share) for above, below in zip(colour[:3], over[:3], strict=True)))


def mixed(colour: Colour, *, share: float, into: Colour) -> Colour:
    """`color-mix(in oklab, colour share, into)` of two opaque colours."""
    ours, theirs = _oklab(colour), _oklab(into)
    light, a, b = (one * share + other * (1 - share) for one, other in zip(ours, theirs, strict=True))
    return _from_oklab(light, a, b)


def ratio(one: Colour, other: Colour) -> float:
    """The contrast ratio of two opaque colours, 1–21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _arguments(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and not depth:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]


def _oklch(text: str) -> Colour:
    match = re.fullmatch(r"oklch\(([\d.]+)% ([\d.]+) ([\d.]+)(?: / ([\d.]+)%)?\)", text)
    if not match:
        raise ValueError(text)
    light, chroma, hue = float(match[1]) / 100, float(match[2]), math.radians(float(match[3]))
    alpha = float(match[4]) / 100 if match[4] else 1.0
    return _from_oklab(light, chroma * math.cos(hue), chroma * math.sin(hue), alpha)


# Both matrices: https://www.w3.org/TR/css-color-4/#color-conversion-code
def _from_oklab(light: float, a: float, b: float, alpha: float = 1.0) -> Colour:
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    return Colour(*(_encode(min(max(channel, 0.0), 1.0)) for channel in linear), alpha=alpha)


def _oklab(colour: Colour) -> tuple[float, float, float]:
    red, green, blue = (_decode(channel) for channel in colour[:3])
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def _encode(channel: float) -> float:
    return 12.92 * channel if channel <= 0.0031308 else 1.055 * channel ** (1 / 2.4) - 0.055


def _decode(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _luminance(colour: Colour) -> float:
    red, green, blue = (_decode(channel) for channel in colour[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
