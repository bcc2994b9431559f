"""Two lists side by side: which element of one stands beside which of the other."""

from collections.abc import Hashable, Sequence

Pair = tuple[int | None, int | None]


def aligned(first: Sequence[Hashable], second: Sequence[Hashable]) -> list[Pair]:
    """The places of both in order, equal ones side by side: as many as a longest common subsequence has. Where one list
    goes its own way, its elements come before those of the other. Takes the product of both lengths.
    """
    same = 0
    while same < min(len(first), len(second)) and first[same] == second[same]:
        same += 1
    lengths = _lengths(first[same:], second[same:])
    pairs: list[Pair] = [(place, place) for place in range(same)]
    i, j = 0, 0
    while i < len(lengths) - 1 and j < len(lengths[0]) - 1:
        if first[same + i] == second[same + j]:
            pairs.append((same + i, same + j))
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            pairs.append((same + i, None))
            i += 1
        else:
            pairs.append((None, same + j))
            j += 1
    pairs += [(place, None) for place in range(same + i, len(first))]
    return pairs + [(None, place) for place in range(same + j, len(second))]


def _lengths(first: Sequence[Hashable], second: Sequence[Hashable]) -> list[list[int]]:
    """How many have a partner from each pair of places on."""
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i in range(len(first) - 1, -1, -1):
        row, below = table[i], table[i + 1]
        for j in range(len(second) - 1, -1, -1):
            row[j] = below[j + 1] + 1 if first[i] == second[j] else max(below[j], row[j + 1])
    return table
