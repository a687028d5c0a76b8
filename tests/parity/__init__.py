"""Parity with PyTorch: every tier 1 name of its operator database, compared sample by sample.

``pytest tests/parity --device cpu`` runs the check, ``python -m tests.parity add`` explains one
name in detail, ``python tests/parity/report.py --missing`` lists what is not there yet.
"""
