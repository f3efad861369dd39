"""The reference companion of *How Gradient Descent Separates Data with Neural Collapse*.

The modules are the nouns of the theory; each reads like the paper's notation:

* :mod:`~ncpaper.ulpm`: the unconstrained layer-peeled model (4), its gradient, its Hessian
* :mod:`~ncpaper.etf`: the simplex ETF and the collapsed solution
* :mod:`~ncpaper.margin`: the margins of Definition 3.1 and the bound of Lemma 3.1
* :mod:`~ncpaper.kkt`: the minimum-norm separation problem (5)
* :mod:`~ncpaper.landscape`: the loss on a sphere
* :mod:`~ncpaper.flow`: gradient descent and gradient flow, for any gradient
* :mod:`~ncpaper.metrics`: the collapse measures of section 4
* :mod:`~ncpaper.symbolic`: Example 3.1 in exact arithmetic
* :mod:`~ncpaper.claims`: the ledger of verdicts
* :mod:`~ncpaper.results` and :mod:`~ncpaper.style`: recorded numbers, published figures
"""

__version__ = "0.1.0"
