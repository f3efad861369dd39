from sphinx.util.docutils import SphinxRole
from docutils import nodes
class R(SphinxRole):
    def run(self): return [nodes.literal("", self.text)], []
def setup(app):
    app.add_role("test", R()); return {"parallel_read_safe": True, "parallel_write_safe": True}
