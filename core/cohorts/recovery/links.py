"""Slices linked to their like: every slice compared with every other, and the strongest links that connect all.

Similarity is the Pearson correlation of the pixels at 64 × 64, the largest of the slices as they lie and of those in
canonical pose (`core.cohorts.recovery.pose`) as they are, mirrored, upside down, and both, so that mirrored, turned,
shifted and zoomed copies go with their originals. All pairs are compared, one block at a time, so time grows with the
square of the number of slices but memory only linearly.

A picture is the sum of four: even or odd from left to right, even or odd from top to bottom. A mirror image differs in
the signs of the odd ones alone, and products of even with odd ones are 0. So the products of the four kinds, together
as dear as one of whole pictures, give the similarities in all four ways of facing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

BLOCK = 512
NEIGHBOURS = 64
# The four ways a slice may face (as it is, mirrored, upside down, and both), as the signs of its parts: even both ways,
# odd from left to right, odd from top to bottom, odd both ways.
WAYS = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], np.float32)
NEAR_COPY = 0.999  # more than neighbouring 1 mm slices of one head reach (0.995 in OASIS-1)


@dataclass(frozen=True, eq=False)
class Slices:
    """Slices as rows that can be compared: products are correlations.

    Attributes:
        rows: float32, n × d, one slice per row, mean 0 and length 1.
        four_parts: Whether a row is the four parts of a picture, as in `WAYS`, one after the other, which can be
            turned; else it is nothing that could be.
        as_they_lie: float32, n × e, the same slices before they were brought into canonical pose: a pose may fail, and
            slices that nobody moved are alike as they lie. None if there is nothing but the rows.
    """

    rows: Floats
    four_parts: bool = False
    as_they_lie: Floats | None = None

    @classmethod
    def of(cls, pictures: Floats, as_they_lie: Floats) -> "Slices":
        """Make rows of pictures in canonical pose, n × side × side with an even side, and of the same as they lie."""
        return cls(_in_four_parts(rows_of(pictures)), four_parts=True, as_they_lie=rows_of(as_they_lie))

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.rows)

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """Yield (first row, similarities of a block of rows with all rows); a slice is not its own neighbour."""
        for start in range(0, len(self), BLOCK):
            block = slice(start, start + BLOCK)
            similarity = self.similarity(block, slice(None))
            similarity[np.arange(len(similarity)), start + np.arange(len(similarity))] = -2.0
            yield start, similarity

    def similarity(self, some: Ints | slice, others: Ints | slice) -> Floats:
        """Return the similarities of some slices with others, each pair facing the way in which it is most alike."""
        found = self._facing_best(self.rows[some], self.rows[others])
        if self.as_they_lie is not None:
            np.maximum(found, self.as_they_lie[some] @ self.as_they_lie[others].T, out=found)
        return found

    def _facing_best(self, some: Floats, others: Floats) -> Floats:
        if not self.four_parts:
            return np.asarray(some @ others.T, np.float32)
        ours, theirs = np.split(some, 4, axis=1), np.split(others, 4, axis=1)
        even, across, down, both = (one @ other.T for one, other in zip(ours, theirs, strict=True))
        upright = even + down + np.abs(across + both)
        upside_down = even - down + np.abs(across - both)
        return np.asarray(np.maximum(upright, upside_down, out=upright), np.float32)

    def facing_alike(self, tree: csr_matrix) -> "Slices":
        """Return the slices with each facing as its neighbour in a spanning tree does."""
        if not self.four_parts:
            return self
        nodes, parents = breadth_first_order(tree, 0, directed=False)
        nodes = nodes[1:]
        above = self.rows[parents[nodes]]
        by_part = (above * self.rows[nodes]).reshape(len(nodes), 4, self.rows.shape[1] // 4).sum(axis=2)
        ways = np.zeros(len(self), np.int64)
        for node, way in zip(nodes, np.argmax(by_part @ WAYS.T, axis=1), strict=True):
            ways[node] = ways[parents[node]] ^ way
        signs = np.repeat(WAYS[ways], self.rows.shape[1] // 4, axis=1)
        return Slices(self.rows * signs, self.four_parts, self.as_they_lie)

    def likeness(self, one: Ints, other: Ints) -> Floats:
        """Return the similarity of pairs of slices by their numbers, facing as they do."""
        found = np.einsum("nd,nd->n", self.rows[one], self.rows[other])
        if self.as_they_lie is not None:
            found = np.maximum(found, np.einsum("nd,nd->n", self.as_they_lie[one], self.as_they_lie[other]))
        return np.asarray(found)


@dataclass(frozen=True, eq=False)
class Linked:
    """Slices linked to a maximum spanning tree.

    Attributes:
        slices: n slices, each facing as its neighbours in the tree do.
        tree: Distances 2 - similarity: never 0, which sparse graphs treat as no edge.
    """

    slices: Slices
    tree: csr_matrix


def link(slices: Slices) -> Linked:
    """Link slices, most similar first, until all are connected."""
    tree = _spanning_tree(slices)
    return Linked(slices.facing_alike(tree), tree)


def near_copies(linked: Linked) -> Ints:
    """Group slices that are almost the same picture (a correlation of 0.999 or more, directly or through others).

    The links of a maximum spanning tree that are as strong connect exactly those that any links as strong connect.

    Args:
        linked: n slices.

    Returns:
        int64, n: a group number for each slice; a slice without copies is alone in its group.
    """
    return components(links_of(linked.tree, NEAR_COPY))


def components(graph: csr_matrix) -> Ints:
    """Return the number of the component that each slice is in."""
    groups: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return groups


def links_of(tree: csr_matrix, weakest: float) -> csr_matrix:
    """Keep those links of a tree whose similarity is at least that of the weakest."""
    links = tree.tocoo()
    kept = 2.0 - links.data >= weakest
    return csr_matrix((links.data[kept], (links.row[kept], links.col[kept])), shape=tree.shape)


def _spanning_tree(slices: Slices) -> csr_matrix:
    """Return the maximum spanning tree, as in `Linked`."""
    n = len(slices)
    k = min(NEIGHBOURS, n - 1)
    rows, columns, values = [], [], []
    for start, similarity in slices.blocks():
        nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        rows.append(np.repeat(np.arange(start, start + len(similarity)), k))
        columns.append(nearest.ravel())
        values.append(np.take_along_axis(similarity, nearest, axis=1).ravel())
    row, column = np.concatenate(rows), np.concatenate(columns)
    tree = _forest(row, column, np.concatenate(values), n)
    while (parts := connected_components(tree, directed=False))[0] > 1:  # Borůvka's step: the best link out of each
        outside, similarity = best_outside(slices, parts[1])
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


def best_outside(slices: Slices, groups: NDArray[np.integer]) -> tuple[Ints, Floats]:
    """Find, for each slice, the most similar slice of another group; group -1 is nobody's."""
    best = np.empty(len(slices), np.int64)
    similarities = np.empty(len(slices), np.float32)
    for start, similarity in slices.blocks():
        rows = slice(start, start + len(similarity))
        similarity[groups[rows, None] == groups[None, :]] = -2.0
        similarity[:, groups < 0] = -2.0
        best[rows] = similarity.argmax(axis=1)
        similarities[rows] = similarity.max(axis=1)
    return best, similarities


def rows_of(pictures: Floats) -> Floats:
    """Return pictures, N × H × W, as rows whose products are their Pearson correlations; zeros for one grey level."""
    rows = pictures.reshape(len(pictures), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(length, np.finfo(np.float32).tiny), np.float32)


def _in_four_parts(rows: Floats) -> Floats:
    """Split rows of square pictures into their parts, as in `WAYS`; products of rows stay as they are."""
    half = round(rows.shape[1] ** 0.5) // 2
    pictures = rows.reshape(len(rows), 2 * half, 2 * half)
    left, right = pictures[:, :, :half], pictures[:, :, : half - 1 : -1]
    parts = []
    for columns in (left + right, left - right):
        top, bottom = columns[:, :half], columns[:, : half - 1 : -1]
        parts.append((top + bottom, top - bottom))
    (even, down), (across, both) = parts
    return np.asarray(np.stack([even, across, down, both], axis=1).reshape(rows.shape) / 2, np.float32)
