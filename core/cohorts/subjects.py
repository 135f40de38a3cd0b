"""Whose slices are these? Finds the people behind a heap of slices from the images alone.

Neighbouring slices of one head look more alike than any two slices of two heads. So the slices are linked, most alike
first, until all hang together (a maximum spanning tree, which is single linkage); if the heap holds people, the
links fall into two kinds, those inside a head and those between heads, with a gap where no similarity lies. Cutting
the tree in the gap leaves one piece a person, and each piece is a chain in anatomical order. Where there is no such
gap, people cannot be told apart, and nothing is invented.

Similarity is Pearson's correlation of the pixels after shrinking to 64 × 64. All pairs are compared, a block at a time,
so time grows with the square of the number of slices but memory only with the number.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components, dijkstra, minimum_spanning_tree

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

SIDE = 64
BLOCK = 1024
NEIGHBOURS = 64
MIN_SLICES = 8  # fewer slices than this carry no statistics
MIN_GROUP = 3  # a person is at least so many slices; smaller pieces are copies or strays
MIN_FRACTION_IN_GROUPS = 0.9
MIN_CLEARNESS = 1.0
CANDIDATES = 20
NEAR_COPY = 0.999  # above what neighbouring 1 mm slices of one head reach (0.995 in OASIS-1)


@dataclass(frozen=True, eq=False)
class Subjects:
    """What the images say about who is who.

    Attributes:
        found: Whether people can be told apart.
        groups: int64, one per slice: the number of its person, from 0 (all zero when not found).
        order: int64, one per slice: its place within its person, from 0, inferior first.
        weakest_link: Smallest similarity that holds a person together; NaN when not found.
        strongest_other: Largest similarity of slices of two different people; NaN when not found.
        clearness: Width of the gap between the two, in units of the distance from the median link to the weakest.
    """

    found: bool
    groups: Ints
    order: Ints
    weakest_link: float
    strongest_other: float
    clearness: float

    @property
    def threshold(self) -> float:
        """The middle of the gap."""
        return (self.weakest_link + self.strongest_other) / 2


def find_subjects(descriptors: Floats, brain_area: Floats) -> Subjects:
    """Group slices by person and order each person's slices.

    Args:
        descriptors: float32, n × d, one slice a row, mean 0 and length 1, so that products are correlations.
        brain_area: float32, n, share of the picture that is not background; from the level of the temporal lobes
            to the vertex it shrinks upwards, which gives the direction of the order.

    Returns:
        The people, or a statement that none can be told apart.
    """
    n = len(descriptors)
    if n < MIN_SLICES:
        return _not_found(n, 0.0)
    tree = _spanning_tree(descriptors)
    cut = _best_cut(tree, n)
    if cut is None:
        return _not_found(n, 0.0)
    weakest, median = cut
    stages = _links_of(tree, weakest)
    groups = _components(stages)
    strongest_other = float(_best_outside(descriptors, groups)[1].max())
    clearness = _clearness(weakest, strongest_other, median)
    if clearness < MIN_CLEARNESS:
        return _not_found(n, max(clearness, 0.0))
    order = _order(stages, groups, brain_area)
    return Subjects(True, groups, order, weakest, strongest_other, clearness)


def near_copies(descriptors: Floats) -> Ints:
    """Group slices that are almost the same picture (correlation of 0.999 or more, directly or through others).

    Args:
        descriptors: float32, n × d, as for `find_subjects`.

    Returns:
        int64, n: a group number for each slice; a slice without copies is alone in its group.
    """
    n = len(descriptors)
    groups = np.arange(n, dtype=np.int64)
    for start, similarity in _similarity_blocks(descriptors):
        row, column = np.nonzero(similarity >= NEAR_COPY)
        links = coo_matrix((np.ones(len(row)), (groups[row + start], groups[column])), shape=(n, n))
        groups = _components(links)[groups]
    return groups


def _components(graph: csr_matrix | coo_matrix) -> Ints:
    groups: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return groups


def _not_found(n: int, clearness: float) -> Subjects:
    nothing = np.zeros(n, np.int64)
    return Subjects(False, nothing, nothing, float("nan"), float("nan"), clearness)


def _similarity_blocks(descriptors: Floats) -> Iterator[tuple[int, Floats]]:
    """Yield (first row, similarities of a block of rows with all rows); a slice is no neighbour of itself."""
    for start in range(0, len(descriptors), BLOCK):
        similarity = descriptors[start : start + BLOCK] @ descriptors.T
        rows = np.arange(len(similarity))
        similarity[rows, start + rows] = -2.0
        yield start, similarity


def _links_of(tree: csr_matrix, weakest: float) -> csr_matrix:
    """Keep the links of a tree that are at least so similar."""
    links = tree.tocoo()
    kept = 2.0 - links.data >= weakest
    return csr_matrix((links.data[kept], (links.row[kept], links.col[kept])), shape=tree.shape)


def _spanning_tree(descriptors: Floats) -> csr_matrix:
    """Return the maximum spanning tree as distances 2 - similarity, never 0, which sparse graphs read as no edge."""
    n = len(descriptors)
    k = min(NEIGHBOURS, n - 1)
    rows, columns, values = [], [], []
    for start, similarity in _similarity_blocks(descriptors):
        nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        rows.append(np.repeat(np.arange(start, start + len(similarity)), k))
        columns.append(nearest.ravel())
        values.append(np.take_along_axis(similarity, nearest, axis=1).ravel())
    row, column = np.concatenate(rows), np.concatenate(columns)
    tree = _forest(row, column, np.concatenate(values), n)
    while (parts := connected_components(tree, directed=False))[0] > 1:  # Borůvka's step: each part its best way out
        outside, similarity = _best_outside(descriptors, parts[1])
        old = tree.tocoo()
        tree = _forest(
            np.concatenate([old.row, np.arange(n)]),
            np.concatenate([old.col, outside]),
            np.concatenate([2.0 - old.data, similarity]),
            n,
        )
    return tree


def _forest(row: Ints, column: Ints, similarity: NDArray[np.floating], n: int) -> csr_matrix:
    low, high = np.minimum(row, column), np.maximum(row, column)
    edges = np.unique(np.stack([low, high], axis=1), axis=0, return_index=True)[1]
    distances = 2.0 - similarity[edges].astype(np.float64)
    graph = coo_matrix((distances, (low[edges], high[edges])), shape=(n, n))
    return minimum_spanning_tree(graph.tocsr())


def _best_outside(descriptors: Floats, groups: NDArray[np.integer]) -> tuple[Ints, Floats]:
    """Find, for each slice, the most similar slice of another group."""
    best = np.empty(len(descriptors), np.int64)
    similarities = np.empty(len(descriptors), np.float32)
    for start, similarity in _similarity_blocks(descriptors):
        rows = slice(start, start + len(similarity))
        similarity[groups[rows, None] == groups[None, :]] = -2.0
        best[rows] = similarity.argmax(axis=1)
        similarities[rows] = similarity.max(axis=1)
    return best, similarities


def _best_cut(tree: csr_matrix, n: int) -> tuple[float, float] | None:
    """Find the widest gap that leaves real groups: the weakest link above it and the median of those links."""
    links = np.sort(2.0 - tree.data)[::-1]
    widest = np.argsort(links[1:] - links[:-1])[:CANDIDATES]
    for last in widest:
        weakest, median = float(links[last]), float(np.median(links[: last + 1]))
        if _clearness(weakest, float(links[last + 1]), median) < MIN_CLEARNESS:
            continue
        stages = _links_of(tree, weakest)
        sizes = np.bincount(_components(stages))
        if sizes[sizes >= MIN_GROUP].sum() >= MIN_FRACTION_IN_GROUPS * n:
            return weakest, median
    return None


def _clearness(weakest: float, strongest_other: float, median: float) -> float:
    spread = max(median - weakest, 1e-6)
    return (weakest - strongest_other) / spread


def _order(stages: csr_matrix, groups: Ints, brain_area: Floats) -> Ints:
    """Walk each person's chain from one end to the other, and turn it so that the brain shrinks upwards."""
    order = np.zeros(len(groups), np.int64)
    both_ways = stages + stages.T
    for group in range(int(groups.max()) + 1):
        members = np.nonzero(groups == group)[0]
        chain = both_ways[members][:, members]
        far = int(np.argmax(dijkstra(chain, indices=0)))  # twice to the farthest: the two ends of the chain
        rank = np.argsort(np.argsort(dijkstra(chain, indices=far)))
        if np.cov(rank, brain_area[members])[0, 1] > 0:
            rank = len(members) - 1 - rank
        order[members] = rank
    return order
