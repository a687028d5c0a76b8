"""Seeded faults: the suite is tested by backends that are wrong on purpose.

Every fault is a subclass of the NumPy backend with one primitive or kernel broken, under a device
type of its own (``f01``). ``base.py`` says what a row of the catalogue holds; the rows are in the
files named by area; ``catalogue.py`` has them all. ``python -m faults`` runs the suite on each.
"""
