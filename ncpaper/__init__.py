"""The reference companion of *How Gradient Descent Separates Data with Neural Collapse*.

The modules are the nouns of the theory; each reads like the paper's notation:

* :mod:`~ncpaper.extras`: packages that an extra brings, and the data that travel with the package
* :mod:`~ncpaper.validate`: checks of the arguments against the shapes in a signature
* :mod:`~ncpaper.results`, :mod:`~ncpaper.style`: recorded numbers, published figures
* :mod:`~ncpaper.provenance`: the record that each file of a figure carries
* :mod:`~ncpaper.flow`, :mod:`~ncpaper.compiled`: gradient descent and gradient flow, for any gradient, and fast
* :mod:`~ncpaper.ulpm`: the unconstrained layer-peeled model (4), its gradient, its Hessian
* :mod:`~ncpaper.lpm`: the model with its norms constrained (1), penalised, or divided out
* :mod:`~ncpaper.models`: weight decay, bounded norms, the squared loss, classes of different sizes
* :mod:`~ncpaper.etf`: the simplex ETF, Definition 2.1
* :mod:`~ncpaper.points`: the named points, collapsed and not
* :mod:`~ncpaper.measures`: every measure of collapse: criteria as printed and as meant, averages of section 4
* :mod:`~ncpaper.margin`: the margins of Definition 3.1 and the bound of Lemma 3.1
* :mod:`~ncpaper.conservation`: what the gradient flow conserves
* :mod:`~ncpaper.rates`: slopes on the axes of Figure 2, bounds in time, rates of collapse
* :mod:`~ncpaper.stability`: step sizes for which descent stays near a collapsed ray
* :mod:`~ncpaper.alignment`: Theorem 3.1 along the flow, and the quantities of Lemma 3.2
* :mod:`~ncpaper.kkt`: the minimum-norm separation problem (5)
* :mod:`~ncpaper.landscape`: the loss on a sphere, Theorems 3.3 and 3.4
* :mod:`~ncpaper.certified`: local minima on a sphere, proved in interval arithmetic
* :mod:`~ncpaper.symbolic`: Example 3.1 in exact arithmetic
* :mod:`~ncpaper.schedules`: step sizes that follow the loss, the norm or the gradient; momentum; Adam
* :mod:`~ncpaper.sweep`, :mod:`~ncpaper.ensembles`: many runs of a function, resumable; Figure 2 for many seeds
* :mod:`~ncpaper.network`: every published measure of collapse, for your own network
* :mod:`~ncpaper.fashion`, :mod:`~ncpaper.vgg`, :mod:`~ncpaper.train`: VGG-13 on FashionMNIST
* :mod:`~ncpaper.checkpoint`: what a training run keeps, so that it can be killed and continued
* :mod:`~ncpaper.claims`: the ledger of verdicts
"""

__version__ = "0.3.0"
