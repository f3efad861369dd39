"""Folding: every proof folds behind a summary; one switch on each page opens or closes proofs and code (``folds.js``)."""

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_proof.nodes import proof_node

OPEN = '<details class="proof-fold"><summary>Proof</summary>'


class FoldProofs(SphinxPostTransform):
    """Put every proof of a page into ``<details>``; its first word "Proof." becomes the summary."""

    default_priority = 900
    formats = ("html",)

    def run(self, **kwargs):
        for proof in list(self.document.findall(proof_node)):
            first = next(proof.findall(nodes.Text), None)
            if first is not None and first.startswith("Proof."):
                first.parent.replace(first, nodes.Text(first.removeprefix("Proof.").lstrip()))
            proof.replace_self([nodes.raw("", OPEN, format="html"), proof, nodes.raw("", "</details>", format="html")])


def setup(app):
    app.add_post_transform(FoldProofs)
    app.add_js_file("folds.js", defer="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
