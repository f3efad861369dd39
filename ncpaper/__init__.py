"""The reference companion of *How Gradient Descent Separates Data with Neural Collapse*.

The modules are the nouns of the theory; each reads like the paper's notation:

* :mod:`~ncpaper.ulpm`: the unconstrained layer-peeled model (4), its gradient, its Hessian
* :mod:`~ncpaper.etf`: the simplex ETF and the collapsed solution
* :mod:`~ncpaper.collapse`: the four criteria, as printed and as meant
* :mod:`~ncpaper.conservation`: what the gradient flow conserves
* :mod:`~ncpaper.margin`: the margins of Definition 3.1 and the bound of Lemma 3.1
* :mod:`~ncpaper.alignment`: Theorem 3.1 along the flow, and the quantities of Lemma 3.2
* :mod:`~ncpaper.kkt`: the minimum-norm separation problem (5)
* :mod:`~ncpaper.symbolic`: Example 3.1 in exact arithmetic
* :mod:`~ncpaper.landscape`: the loss on a sphere, Theorems 3.3 and 3.4
* :mod:`~ncpaper.metrics`: the collapse measures of section 4
* :mod:`~ncpaper.frame`: eqs (1) and (2), and what section 5 says
* :mod:`~ncpaper.flow` and :mod:`~ncpaper.compiled`: gradient descent and gradient flow, for any gradient, and fast
* :mod:`~ncpaper.fashion`, :mod:`~ncpaper.vgg` and :mod:`~ncpaper.train`: VGG-13 on FashionMNIST
* :mod:`~ncpaper.claims`: the ledger of verdicts
* :mod:`~ncpaper.results` and :mod:`~ncpaper.style`: recorded numbers, published figures
"""

__version__ = "0.1.0"
