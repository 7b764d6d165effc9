"""Charts as Vega-Lite specs, drawn to SVG on the server; with script the same specs answer to the pointer.

Reading order: drawing (a spec becomes an SVG, and a page's script), bars, lines, history.
Words and numbers come in written: no formatter of the charts' own says them otherwise than the page does.
"""
