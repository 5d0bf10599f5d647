"""View 4."""
import panel as pn
from galam_explorer.app.views.base import View
class Filmstrip(View):
    title = "Preprocessing"
    slug = "preprocessing"
    def __init__(self, state, bridge):
        super().__init__(state, bridge)
        self._layout = pn.Column("soon")
    def __panel__(self): return self._layout
    def show(self, galaxy): pass
