"""Geohash: a point on earth as text (G. Niemeyer, 2008). Longer texts with the same beginning lie inside it."""

ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"


def encode(latitude: float, longitude: float, length: int = 12) -> str:
    """The cell that holds the point; 12 characters name a cell of about 4 by 2 centimetres."""
    height = length * 5 // 2
    width = length * 5 - height
    x, y = _cell(longitude, 180.0, width), _cell(latitude, 90.0, height)
    bits = 0
    for place in range(length * 5):
        rank = place // 2
        bits = bits << 1 | (y >> height - 1 - rank if place % 2 else x >> width - 1 - rank) & 1
    return "".join(ALPHABET[bits >> 5 * rank & 31] for rank in reversed(range(length)))


def decode(text: str) -> tuple[float, float]:
    """Latitude and longitude of the middle of a cell. Raises ValueError for a character that is not in the alphabet."""
    x = y = width = height = 0
    for place, bit in enumerate(_bits(text)):
        if place % 2:
            y, height = y << 1 | bit, height + 1
        else:
            x, width = x << 1 | bit, width + 1
    return _middle(y, height, 90.0), _middle(x, width, 180.0)


def _bits(text: str) -> list[int]:
    return [ALPHABET.index(letter) >> shift & 1 for letter in text for shift in (4, 3, 2, 1, 0)]


def _cell(degrees: float, reach: float, bits: int) -> int:
    """The rank of the cell of `degrees` among 2**bits cells from -reach to reach."""
    return min(int((degrees + reach) / (2 * reach) * (1 << bits)), (1 << bits) - 1)


def _middle(rank: int, bits: int, reach: float) -> float:
    return (rank + 0.5) / (1 << bits) * 2 * reach - reach
