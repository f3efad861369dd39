"""What random tests share: how many examples they try, seeds, and random points that can be read and rerun."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from ncpaper import ulpm

#: How many examples a test tries, by what one of them costs.
many, few = (settings(deadline=None, max_examples=count) for count in (25, 10))

seeds = st.integers(0, 2**32 - 1)


@st.composite
def random_points(draw, K=(2, 6), n=(1, 4), d=(1, 7), scale=(0.1, 3.0)):
    """A random (W, H, y), balanced; each of K, n, d, scale drawn from its closed range."""
    K, n, d = (draw(st.integers(*r)) for r in (K, n, d))
    rng = np.random.default_rng(draw(seeds))
    size = draw(st.floats(*scale))
    return size * rng.standard_normal((K, d)), size * rng.standard_normal((d, K * n)), ulpm.balanced_labels(K, n)


@st.composite
def collapsible_sizes(draw, K=(2, 7), n=(1, 5), extra=(0, 3)):
    """Sizes (K, n, d) at which a simplex ETF exists: d ≥ K − 1."""
    K, n, more = (draw(st.integers(*r)) for r in (K, n, extra))
    return K, n, K - 1 + more


def flat(theta):
    """The entries of both matrices in one vector."""
    return np.concatenate([part.ravel() for part in theta])


def normal(seed, K, n, d):
    """A point with normal entries, and its balanced labels."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((K, d)), rng.standard_normal((d, K * n)), ulpm.balanced_labels(K, n)
