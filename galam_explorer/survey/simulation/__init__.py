"""Galaxies as SDSS would see them, from stars to pixels.

`populations` draws a galaxy, `spectra` observes it through a fibre, `render`
through the imaging camera, and `run` makes surveys of them.
"""
