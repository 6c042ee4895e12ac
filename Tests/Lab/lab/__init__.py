"""The laboratory: scenarios of one client and N pods, each in a network of its own (see run.py)."""
